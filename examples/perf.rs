//! x
use resnetc::*;
use std::time::{Duration, Instant};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let threads: usize = a[2].parse().unwrap();
    let iters: usize = a[3].parse().unwrap();
    let o = Options {
        threads: Some(threads),
        unfused: a.get(4).is_some_and(|s| s == "unfused"),
        ..Options::default()
    };
    let t = Instant::now();
    let net = Compiler::new(o).load(&a[1]).unwrap();
    let load = t.elapsed();
    let m = net.compile().unwrap();
    println!("load {load:?} phases {:?}", m.report().phases);
    println!(
        "arena {} lb {} weights {} code {} kernels {}",
        m.report().arena_bytes,
        m.report().arena_lower_bound,
        m.report().weight_bytes,
        m.report().code_bytes,
        m.report().kernels
    );
    let mut cx = m.context().unwrap();
    cx.input_mut(0)
        .unwrap()
        .iter_mut()
        .enumerate()
        .for_each(|(i, v)| *v = ((i * 37 % 101) as f32 - 50.0) / 50.0);
    let n = m.steps().len();
    let mut all = vec![Vec::new(); n];
    let mut tot = Vec::new();
    for _ in 0..iters {
        let t = Instant::now();
        m.run(&mut cx).unwrap();
        tot.push(t.elapsed());
        let mut times = vec![Duration::ZERO; n];
        m.run_timed(&mut cx, &mut times).unwrap();
        for (v, t) in all.iter_mut().zip(&times) {
            v.push(*t)
        }
    }
    tot.sort();
    println!(
        "total median {:?} min {:?}; out {:?}",
        tot[iters / 2],
        tot[0],
        &cx.output(0).unwrap()[..3]
    );
    let mut sum = Duration::ZERO;
    for (s, v) in m.steps().iter().zip(&mut all) {
        v.sort();
        let t = v[iters / 2];
        sum += t;
        println!(
            "{:9.3} ms min {:9.3} {:6.1} GF/s chunks {:3} {} [{}]",
            t.as_secs_f64() * 1e3,
            v[0].as_secs_f64() * 1e3,
            2.0 * s.macs as f64 / t.as_secs_f64() / 1e9,
            s.chunks,
            s.kernel,
            s.name
        );
    }
    println!("sum {sum:?}");
}
