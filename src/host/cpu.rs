//! What kind of CPU this is, as Linux reports it, or the CPU itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::OnceLock;

/// The fields of `/proc/cpuinfo` that identify a CPU model, on x86 and on Arm; the others describe
/// a single core, or the current state.
const KIND: [&str; 9] = [
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "cache size",
    "CPU implementer",
    "CPU architecture",
    "CPU variant",
    "CPU part",
];

/// Who designed a CPU, as far as it matters to the cost of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Another one, or unknown.
    Other,
}

impl Vendor {
    /// The vendor of this machine's CPU.
    pub fn host() -> Self {
        Vendor::of(description())
    }

    /// The vendor of a CPU with this [description].
    pub fn of(description: &BTreeMap<String, String>) -> Self {
        match description.get("vendor_id").map(String::as_str) {
            Some("AuthenticAMD") => Vendor::Amd,
            Some("GenuineIntel") => Vendor::Intel,
            _ => Vendor::Other,
        }
    }
}

/// What identifies this machine's CPU: names and values, as in `/proc/cpuinfo`; empty if neither the
/// system nor the CPU tells. Read once per process.
pub fn description() -> &'static BTreeMap<String, String> {
    static DESCRIPTION: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let info = std::fs::File::open("/proc/cpuinfo").map(BufReader::new);
        info.map_or_else(|_| told_by_cpu(), kind)
    })
}

/// What the CPU tells about itself, under the same names.
#[cfg(target_arch = "x86_64")]
fn told_by_cpu() -> BTreeMap<String, String> {
    use super::cpuid;
    let (family, model) = cpuid::family_and_model();
    let fields = [
        ("vendor_id", Some(cpuid::vendor())),
        ("cpu family", Some(family.to_string())),
        ("model", Some(model.to_string())),
        ("model name", cpuid::name()),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Programs cannot ask other CPUs.
#[cfg(not(target_arch = "x86_64"))]
fn told_by_cpu() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// The identifying fields of the first processor.
fn kind(info: impl BufRead) -> BTreeMap<String, String> {
    let first = info.lines().map_while(Result::ok).take_while(|line| !line.trim().is_empty());
    let fields = first.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        KIND.contains(&name).then(|| (name.to_owned(), value.trim().to_owned()))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_that_of_the_first_processor_without_what_changes() {
        let info = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some: CPU\ncpu MHz\t: 2600.002\n\
                    flags\t\t: fpu\nnonsense\n\nprocessor\t: 1\nvendor_id\t: Another\ncpu family\t: 6\n";
        let expected = [("model name", "Some: CPU"), ("vendor_id", "GenuineIntel")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(kind(info.as_bytes()), BTreeMap::from(expected));
        assert_eq!(Vendor::of(&kind(info.as_bytes())), Vendor::Intel);
        assert_eq!(Vendor::of(&BTreeMap::new()), Vendor::Other);
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_cpu_tells_what_the_system_tells() {
        for (name, value) in told_by_cpu() {
            assert_eq!(description().get(&name), Some(&value), "{name}");
        }
    }
}
