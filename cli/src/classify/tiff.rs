//! Reads properties of the first picture of a TIFF file that the decoder ignores.

/// Tags of a picture.
const EXTRA_SAMPLES: u16 = 338;
const DNG_VERSION: u16 = 50_706;
/// A value of [`EXTRA_SAMPLES`]: colours are premultiplied by alpha.
const ASSOCIATED: u16 = 1;

/// Refuses pictures that would be misread: raw files of cameras, whose first picture is a small
/// preview, and colours that are premultiplied by alpha.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    for (tag, value) in entries(bytes) {
        match (tag, value) {
            (DNG_VERSION, _) => return Err("this is a camera's raw picture (DNG), which is not supported; convert it to PNG or JPEG".into()),
            (EXTRA_SAMPLES, ASSOCIATED) => {
                return Err("its colours are premultiplied by alpha; save it with straight alpha, or as PNG".into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The tags of the first picture, each with its first 16-bit value if the entry itself holds it. A
/// damaged file has fewer.
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
    // After the signature comes the offset of the first directory: a count, and entries of tag,
    // type, count and value.
    const ENTRY: usize = 12;
    let Some(directory) = long(4) else { return Vec::new() };
    let count = word(directory).unwrap_or(0);
    let entry = |i: u16| {
        let at = directory.checked_add(2 + usize::from(i) * ENTRY)?;
        Some((word(at)?, word(at + 8)?))
    };
    (0..count).map_while(entry).collect()
}
