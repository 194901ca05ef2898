//! What an x86 CPU tells about itself, for systems that do not pass it on.

use std::arch::x86_64::{__cpuid, __cpuid_count};

/// The first of the extended leaves, which reports the last one.
const EXTENDED: u32 = 0x8000_0000;

/// The name of the vendor, as in `/proc/cpuinfo`.
pub(super) fn vendor() -> String {
    let leaf = __cpuid(0);
    text([leaf.ebx, leaf.edx, leaf.ecx])
}

/// The family and the model, with their extensions.
pub(super) fn family_and_model() -> (u32, u32) {
    let signature = __cpuid(1).eax;
    let family = signature >> 8 & 0xf;
    let model = signature >> 4 & 0xf;
    let is_extended = family == 0xf;
    let whole_family = if is_extended { family + (signature >> 20 & 0xff) } else { family };
    let whole_model =
        if is_extended || family == 6 { model | (signature >> 16 & 0xf) << 4 } else { model };
    (whole_family, whole_model)
}

/// The name under which it is sold, if it has one.
pub(super) fn name() -> Option<String> {
    const NAME: [u32; 3] = [EXTENDED + 2, EXTENDED + 3, EXTENDED + 4];
    if __cpuid(EXTENDED).eax < NAME[2] {
        return None;
    }
    let part = |leaf: u32| {
        let leaf = __cpuid(leaf);
        [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
    };
    let name = text(NAME.map(part).concat());
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Bytes of the cache of a level that holds data.
pub(super) fn cache_bytes(level: u32) -> Option<usize> {
    /// Intel's leaf, and AMD's, of the same form.
    const LEAVES: [u32; 2] = [4, EXTENDED + 0x1d];
    /// No CPU lists more.
    const MOST: u32 = 16;
    /// The kinds of cache: none, data, instructions, both.
    const NONE: u32 = 0;
    const INSTRUCTIONS: u32 = 2;
    let bytes = |leaf: u32, index: u32| {
        let cache = __cpuid_count(leaf, index);
        let kind = cache.eax & 0x1f;
        let is_it = kind != NONE && kind != INSTRUCTIONS && cache.eax >> 5 & 7 == level;
        let [line, parts, ways] = [(0, 12), (12, 10), (22, 10)]
            .map(|(start, bits)| u64::from(cache.ebx >> start & ((1 << bits) - 1)) + 1);
        let bytes = line * parts * ways * (u64::from(cache.ecx) + 1);
        usize::try_from(bytes).ok().filter(|_| is_it)
    };
    let known = LEAVES.into_iter().filter(|&leaf| leaf <= __cpuid(leaf & EXTENDED).eax);
    known.flat_map(|leaf| (0..MOST).map(move |i| (leaf, i))).find_map(|(leaf, i)| bytes(leaf, i))
}

/// The characters in registers, up to the first zero.
fn text(registers: impl IntoIterator<Item = u32>) -> String {
    let bytes = registers.into_iter().flat_map(u32::to_le_bytes).take_while(|&byte| byte != 0);
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}
