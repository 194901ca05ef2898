//! x
use resnetc::import::safetensors;
use resnetc::*;
fn main() {
    for name in std::env::args().skip(1) {
        let dir = format!("tests/fixtures/{name}");
        let io = safetensors::load(format!("{dir}/io.safetensors").as_ref()).unwrap();
        let (x, y) = (&io["input"], &io["output"]);
        for isa in [Isa::Avx2, Isa::Baseline] {
            for unfused in [false, true] {
                let o = Options {
                    batch: x.shape()[0],
                    isa: IsaChoice::Exactly(isa),
                    threads: Some(2),
                    unfused,
                    ..Options::default()
                };
                let net = match Compiler::new(o).load(format!("{dir}/model.onnx")) {
                    Ok(n) => n,
                    Err(e) => {
                        println!("{name}: {e}");
                        continue;
                    }
                };
                let m = match net.compile() {
                    Ok(m) => m,
                    Err(e) => {
                        println!("{name} {isa} unfused {unfused}: {e}");
                        continue;
                    }
                };
                let mut cx = m.context().unwrap();
                cx.input_mut(0).unwrap().copy_from_slice(x.data());
                cx.poison();
                m.run(&mut cx).unwrap();
                let out = cx.output(0).unwrap();
                let big = y.data().iter().fold(0f32, |m, v| m.max(v.abs()));
                let err = out
                    .iter()
                    .zip(y.data())
                    .fold(0f32, |m, (a, b)| if (a - b).abs() <= m { m } else { (a - b).abs() });
                println!(
                    "{name:24} {isa:9} unfused {unfused:5} rel err {:.2e}  steps {} arena {} lb {} {:?}",
                    err / big,
                    m.steps().len(),
                    m.report().arena_bytes,
                    m.report().arena_lower_bound,
                    m.report().phases
                );
            }
        }
    }
}
