//! What a TIFF file says of its first picture that its decoder does not look at.

/// Tags of a picture.
const EXTRA_SAMPLES: u16 = 338;
const DNG_VERSION: u16 = 50_706;
/// A value of [`EXTRA_SAMPLES`]: colours are multiplied by alpha.
const ASSOCIATED: u16 = 1;

/// Refuses pictures that would be taken for something else: what cameras write raw, of which the
/// first picture is a small preview, and colours that are multiplied by alpha.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    for (tag, value) in entries(bytes) {
        match (tag, value) {
            (DNG_VERSION, _) => return Err("this is a camera's raw picture (DNG), which is not read; convert it to PNG or JPEG".into()),
            (EXTRA_SAMPLES, ASSOCIATED) => {
                return Err("its colours are multiplied by alpha; save it with straight alpha, or as PNG".into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The tags of the first picture, each with its first 16-bit value where it stands in the entry
/// itself. A damaged file has fewer.
fn entries(bytes: &[u8]) -> Vec<(u16, u16)> {
    let is_little = bytes.starts_with(b"II");
    let word = |at: usize| {
        let pair: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = |at: usize| {
        let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    // Behind the signature stands where the first directory is: a count, and entries of tag, type,
    // count and value.
    const ENTRY: usize = 12;
    let Some(directory) = long(4) else { return Vec::new() };
    let count = word(directory).unwrap_or(0);
    let entry = |i: u16| {
        let at = directory.checked_add(2 + usize::from(i) * ENTRY)?;
        Some((word(at)?, word(at + 8)?))
    };
    (0..count).map_while(entry).collect()
}
