//! Small models, run by the interpreter and as machine code.

use resnetc::{Compiler, Engine, Options};

use crate::model::Model;

/// All outputs of a model for its inputs, by the interpreter or as machine code.
pub(crate) fn run(model: &Model, engine: Engine, inputs: &[&[f32]]) -> Vec<Vec<f32>> {
    let threads = if engine == Engine::Interpreted {
        Options::default()
    } else {
        Options::default().threads(1)
    };
    let compiler = Compiler::new(threads.engine(engine));
    let model = compiler.onnx_bytes(&model.bytes(), None).unwrap().compile().unwrap();
    let mut context = model.context().unwrap();
    for (i, input) in inputs.iter().enumerate() {
        context.input_mut(i).unwrap().copy_from_slice(input);
    }
    model.run(&mut context).unwrap();
    (0..model.outputs().len()).map(|i| context.output::<f32>(i).unwrap().to_vec()).collect()
}

/// Both ways to run a network.
pub(crate) const ENGINES: [Engine; 2] = [Engine::Interpreted, Engine::Compiled];
