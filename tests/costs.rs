//! The cost model of convolutions, held to the times that were recorded on several CPUs
//! (`benches/costs`).

use resnetc_testing::recorded::{SUBJECTS, all, folder, groups, judge, layers};

/// How much more processor time a network's layers may take with the model's choices than with the
/// best ones.
const REGRET: f64 = 0.03;

#[test]
fn choices_are_nearly_the_best_on_every_recorded_cpu() {
    let records = all(&folder());
    let networks = SUBJECTS.map(|(name, size)| (name, size, layers(name, size)));
    let groups = groups(&records);
    let mut judged = vec![0; groups.len()];
    for (judged, (cpu, records)) in judged.iter_mut().zip(&groups) {
        for (name, size, layers) in &networks {
            let Some(verdict) = judge(records, layers, records[0].machine.rates) else { continue };
            let regret = verdict.regret();
            assert!(regret <= REGRET, "{cpu}, {name} {size:?}: {:.1} %", 100.0 * regret);
            *judged += 1;
        }
    }
    // The oldest records lack some networks.
    assert!(!judged.is_empty() && judged.iter().all(|&n| n >= 4), "{judged:?}");
}

/// A choice depends on the kind of CPU, but not on how many threads there are.
#[test]
fn every_record_of_a_cpu_has_the_same_rates() {
    let records = all(&folder());
    for (cpu, records) in groups(&records) {
        assert!(records.iter().all(|r| r.machine.rates == records[0].machine.rates), "{cpu}");
        let threads: Vec<usize> = records.iter().map(|r| r.machine.threads).collect();
        assert_eq!(threads, [1, 2], "{cpu}");
    }
}
