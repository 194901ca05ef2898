//! The reports of a model: the memory plan, the rewrites, the kernels.

use resnetc::profile::timeline::Timeline;
use resnetc::report::plan::{MemoryPlan, Role};
use resnetc::{Compiler, Model, Options};

/// Networks with and without projections, in-place sums, scratch memory and views.
const NETWORKS: [&str; 3] = ["cifar_resnet20", "resnet18", "resnet50"];

fn models() -> impl Iterator<Item = (&'static str, Model)> {
    NETWORKS.into_iter().map(|name| {
        let network = Compiler::new(Options::default()).load(name).expect("it is built in");
        (name, network.compile().expect("it compiles"))
    })
}

#[test]
fn buffers_that_live_together_lie_apart() {
    for (name, model) in models() {
        let MemoryPlan { buffers, peak, lower_bound, .. } = model.plan();
        assert_eq!(buffers.iter().map(|b| b.offset + b.bytes).max(), Some(*peak), "{name}");
        assert_eq!((*peak, *lower_bound), {
            let report = model.report();
            (report.arena_bytes, report.arena_lower_bound)
        });
        for (i, a) in buffers.iter().enumerate() {
            for b in &buffers[i + 1..] {
                let together = a.live.0 <= b.live.1 && b.live.0 <= a.live.1;
                let apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
                assert!(!together || apart, "{name}: {a:?} and {b:?}");
            }
        }
    }
}

#[test]
fn a_value_lies_in_its_buffer_for_as_long_as_it_is_read() {
    for (name, model) in models() {
        let plan = model.plan();
        let mut homes = vec![0; plan.values.len()];
        for buffer in &plan.buffers {
            assert_eq!(buffer.values.is_empty(), buffer.scratch_of.is_some(), "{name}: {buffer:?}");
            for &i in &buffer.values {
                let value = &plan.values[i];
                homes[i] += 1;
                assert!(value.offset >= buffer.offset, "{name}: {value:?}");
                assert!(
                    value.offset + value.bytes <= buffer.offset + buffer.bytes,
                    "{name}: {value:?}"
                );
                assert!(value.last_read.is_none_or(|at| at <= buffer.live.1), "{name}: {value:?}");
            }
        }
        assert!(homes.iter().all(|&n| n == 1), "{name}: every value has one home");
        for value in &plan.values {
            assert_eq!(value.written.is_none(), value.role == Role::Input, "{name}: {value:?}");
            if let Some(i) = value.in_place_of.or(value.view_of) {
                assert_eq!(value.offset, plan.values[i].offset, "{name}: {value:?}");
            }
        }
    }
}

#[test]
fn residual_sums_are_in_place() {
    for (name, model) in models() {
        let in_place = model.plan().values.iter().filter(|v| v.in_place_of.is_some()).count();
        assert!(in_place >= 3, "{name} has {in_place}");
    }
}

#[test]
fn the_explanation_has_every_remark_once() {
    for (name, model) in models() {
        let (explanation, remarks) = (model.explain(), &model.report().remarks);
        assert_eq!(explanation.applied(), remarks.applied.len(), "{name}");
        assert_eq!(explanation.declined(), remarks.declined.len(), "{name}");
        let labels = explanation.passes.iter().flat_map(|p| &p.applied).map(|r| &r.label);
        assert!(labels.eq(remarks.applied.iter().map(|a| &a.label)), "{name}: in the same order");
        let folds = explanation.passes.iter().filter(|p| p.pass == "fold_batch_norm");
        for fold in folds.flat_map(|p| &p.applied) {
            let ops = |nodes: &[resnetc::passes::NodeRef]| -> Vec<_> {
                nodes.iter().map(|n| n.op).collect()
            };
            assert_eq!(ops(&fold.before), ["conv", "batch_norm"], "{name}: {fold:?}");
            assert_eq!(ops(&fold.after), ["conv"], "{name}: {fold:?}");
        }
    }
}

#[test]
fn kernels_account_for_the_code_and_every_step() {
    for (name, model) in models() {
        let kernels = model.kernels();
        assert_eq!(kernels.len(), model.report().kernels, "{name}");
        let code: usize = kernels.iter().map(|k| k.code_bytes).sum();
        assert!(code > 0 && code < model.report().code_bytes, "{name}: {code}");
        assert!(kernels.iter().all(|k| k.regions > 0), "{name}: every kernel is called");
        for step in model.steps() {
            assert!(kernels.iter().any(|k| k.name == step.kernel), "{name}: {}", step.kernel);
        }
    }
}

#[test]
fn all_of_it_can_be_written_as_json() {
    for (name, model) in models() {
        let plan = serde_json::to_value(model.plan()).expect("it is data");
        assert_eq!(
            plan["values"].as_array().map(Vec::len),
            Some(model.plan().values.len()),
            "{name}"
        );
        let explanation = serde_json::to_value(model.explain()).expect("it is data");
        assert!(explanation["passes"][0]["pass"].is_string(), "{name}");
        let kernels = serde_json::to_value(model.kernels()).expect("it is data");
        assert!(kernels[0]["code_bytes"].as_u64() > Some(0), "{name}");
    }
}

#[test]
fn a_profile_has_every_step_and_changes_no_result() {
    let options = Options::default().threads(2);
    let network = Compiler::new(options).load("cifar_resnet20").expect("it is built in");
    let model = network.compile().expect("it compiles");
    let mut context = model.context().expect("there is memory");
    for (i, x) in context.input_mut::<f32>(0).expect("it has one").iter_mut().enumerate() {
        *x = (i % 17) as f32 / 8.0 - 1.0;
    }
    model.run(&mut context).expect("its own context");
    let plain = context.output::<f32>(0).expect("it has one").to_vec();
    let profile = model.profile(&mut context, 3, 100.0).expect("its own context");
    assert_eq!(context.output::<f32>(0).expect("it has one"), plain);
    assert_eq!((profile.runs, profile.steps.len()), (3, model.steps().len()));
    for (step, info) in profile.steps.iter().zip(model.steps()) {
        assert_eq!((&step.name, &step.kernel, step.macs), (&info.name, &info.kernel, info.macs));
        assert!(step.min_ms <= step.median_ms && step.median_ms <= step.max_ms, "{step:?}");
        assert!((1.0..=2.0 + 1e-9).contains(&step.imbalance), "{step:?}");
    }
    let of_classes: u64 = profile.classes.iter().map(|c| c.macs).sum();
    assert_eq!(of_classes, model.steps().iter().map(|s| s.macs).sum::<u64>());
    let time: f64 = profile.classes.iter().map(|c| c.share_of_time).sum();
    assert!((time - 1.0).abs() < 1e-9, "{time}");
}

#[test]
fn a_trace_accounts_for_every_chunk_and_no_thread_does_two_things_at_once() {
    for (name, model) in models() {
        let mut context = model.context().expect("there is memory");
        let trace = model.run_traced(&mut context).expect("its own context");
        assert_eq!(trace.steps.len(), model.steps().len(), "{name}");
        let mut free_from = vec![std::time::Duration::ZERO; model.threads()];
        for (step, info) in trace.steps.iter().zip(model.steps()) {
            let chunks: u64 = step.threads.iter().map(|t| t.chunks).sum();
            assert_eq!(chunks, info.chunks, "{name}: {}", info.kernel);
            for (part, free) in
                step.threads.iter().zip(&mut free_from).filter(|(p, _)| p.chunks > 0)
            {
                assert!(*free <= part.start && part.start <= part.end, "{name}: {part:?}");
                assert!(step.start <= part.start && part.end <= step.end, "{name}: {part:?}");
                assert!(part.busy <= part.end - part.start, "{name}: {part:?}");
                *free = part.end;
            }
        }
        let timeline = Timeline::of(&model, &trace);
        let json = serde_json::to_value(&timeline).expect("it is data");
        let events = json["traceEvents"].as_array().expect("a list");
        let slices: Vec<_> = events.iter().filter(|e| e["ph"] == "X").collect();
        let parts = trace.steps.iter().flat_map(|s| &s.threads).filter(|t| t.chunks > 0).count();
        assert_eq!(slices.len(), parts, "{name}");
        let known = |kernel: &serde_json::Value| model.steps().iter().any(|s| *kernel == s.kernel);
        assert!(slices.iter().all(|s| known(&s["args"]["kernel"])), "{name}");
    }
}
