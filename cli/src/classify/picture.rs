//! Pictures from files: read, decoded and oriented, within limits.

use std::borrow::Cow;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use resnetc::ir::memory::reserved;
use resnetc::{ErrorCode, whole_file};

use super::kind::Kind;
use super::tiff;
use crate::failure::Failure;
use crate::units;

/// The extensions of files that are treated as pictures.
pub(crate) const EXTENSIONS: &[&str] = &[
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "tif", "tiff", "webp", "pnm",
    "ppm", "pgm", "pbm", "pam",
];
/// The name of standard input.
pub(super) const STDIN: &str = "-";

/// Where a picture comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// A bundled picture: its name and contents.
    Bundled(&'static str, &'static [u8]),
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// A folder without pictures, or that cannot be read, and why. It stands in for its pictures.
    Refused(PathBuf, String),
}

/// The longest file that is read.
const MAX_FILE: u64 = 256 << 20;
/// Cameras make pictures a tenth of this size.
const BOUNDS: Bounds = Bounds { pixels: 1 << 27, memory: 1 << 30 };

/// The limits of a picture.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) pixels: u64,
    /// Bytes that its decoder may allocate at once.
    pub(super) memory: u64,
}

impl Source {
    /// The file as the user named it.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Source::Bundled(name, _) => Path::new(name),
            Source::Stdin => Path::new(STDIN),
            Source::File(path) | Source::Refused(path, _) => path,
        }
    }

    /// The file's name without folder and extension.
    pub(crate) fn stem(&self) -> &str {
        self.path().file_stem().and_then(|s| s.to_str()).unwrap_or_default()
    }

    /// Reads and decodes it.
    pub(crate) fn read(&self) -> Result<DynamicImage, Failure> {
        let refuse = |reason: String| Failure::file(self.path(), reason).code(ErrorCode::Picture);
        let unreadable = |e: io::Error| Failure::unreadable(self.path(), e);
        let bytes: Cow<'_, [u8]> = match self {
            Source::Bundled(_, bytes) => (*bytes).into(),
            Source::File(path) => whole_file::read(path, MAX_FILE).map_err(unreadable)?.into(),
            Source::Stdin => standard_input().map_err(unreadable)?.into(),
            Source::Refused(_, reason) => return Err(refuse(reason.clone())),
        };
        decode(&bytes, BOUNDS).map_err(|e| Failure::file(self.path(), e.reason).code(e.code))
    }
}

/// All of standard input.
fn standard_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(io::Error::other(format!("it is larger than the limit of {MAX_FILE} bytes"))),
        false => Ok(bytes),
    }
}

/// What is wrong with a picture, without the decoders' own terms.
fn damage(error: image::ImageError) -> String {
    let text = error.to_string().to_lowercase();
    let ends = ["eof", "unexpected end", "end of file", "failed to fill", "not enough data"];
    match error {
        image::ImageError::Limits(_) => "the picture exceeds the limits".to_owned(),
        image::ImageError::Unsupported(_) => {
            "the picture's variant of its format is not supported; save it as PNG or JPEG"
                .to_owned()
        }
        _ if ends.iter().any(|end| text.contains(end)) => {
            "the picture is damaged: the file is cut short".to_owned()
        }
        _ => "the picture is damaged: its data cannot be decoded".to_owned(),
    }
}

/// Why a picture is not decoded.
pub(super) struct Undecoded {
    pub(super) reason: String,
    pub(super) code: ErrorCode,
}

impl From<String> for Undecoded {
    fn from(reason: String) -> Self {
        Undecoded { reason, code: ErrorCode::Picture }
    }
}

/// How often the samples of a picture are in memory while it is prepared: as decoded, and turned,
/// converted or scaled.
const COPIES: usize = 2;

/// Checks that a picture's samples fit into memory: decoders end the process if they do not.
fn check_memory(samples: u64) -> Result<(), Undecoded> {
    let bytes = usize::try_from(samples).unwrap_or(usize::MAX).saturating_mul(COPIES);
    reserved::<u8>(bytes).map(drop).map_err(|e| {
        let reason = format!("{e} of the picture's samples");
        Undecoded { reason, code: ErrorCode::OutOfMemory }
    })
}

/// The picture as a viewer shows it: Exif's orientation is applied.
pub(super) fn decode(bytes: &[u8], bounds: Bounds) -> Result<DynamicImage, Undecoded> {
    match Kind::of(bytes) {
        Some(kind) if kind.is_decoded() => {}
        Some(kind) => return Err(kind.refusal().into()),
        None => return Err("this is not a picture of a known format".to_owned().into()),
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|e| format!("reading failed: {e}"))?;
    match reader.format() {
        None => return Err("this is not a picture of a known format".to_owned().into()),
        Some(ImageFormat::Jpeg) if !ends(bytes) => {
            return Err("the picture is damaged: the file is cut short".to_owned().into());
        }
        Some(ImageFormat::Tiff) => tiff::check(bytes)?,
        Some(ImageFormat::Png) if !has_whole_palette(bytes) => {
            return Err("the picture is damaged: its palette ends in the middle of a colour"
                .to_owned()
                .into());
        }
        Some(_) => {}
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(bounds.memory);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damage)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(format!("the picture is empty: {width}x{height} pixels").into());
    }
    if pixels > bounds.pixels || decoder.total_bytes() > bounds.memory {
        return Err(format!(
            "the picture has {width}x{height} pixels; the limits are {} pixels and {} in memory",
            bounds.pixels,
            units::bytes(bounds.memory as usize)
        )
        .into());
    }
    check_memory(decoder.total_bytes())?;
    // Metadata that cannot be read has no effect.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damage)?;
    if matches!(picture, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_)) {
        return Err(
            "its samples are floats, which have no defined white; convert it to 8 or 16 bits"
                .to_owned()
                .into(),
        );
    }
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether a JPEG file is complete. The decoder fills a missing part with grey.
///
/// Neither marker can be inside compressed data; the thumbnail in Exif data ends before the last
/// scan begins.
fn ends(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    last([0xff, 0xd9]) > last([0xff, 0xda])
}

/// Whether the palette of a PNG file, if it has one, consists of whole colours. The decoder (png
/// 0.18.1) panics otherwise.
fn has_whole_palette(bytes: &[u8]) -> bool {
    const SIGNATURE: usize = 8;
    const COLOUR: usize = 3;
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    // A chunk is a length, a kind, that many bytes, and a checksum.
    while let Some((&[a, b, c, d, ref kind @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind == b"PLTE" && !length.is_multiple_of(COLOUR) {
            return false;
        }
        rest = after.get(length..).and_then(|r| r.get(size_of::<u32>()..)).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file of every format and pixel type.
    fn files() -> Vec<Vec<u8>> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures"));
        let paths = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let picture = |p: &PathBuf| !matches!(p.extension().unwrap().to_str(), Some("rs" | "py"));
        let mut paths: Vec<PathBuf> = paths.filter(picture).collect();
        paths.sort();
        paths.iter().map(|p| std::fs::read(p).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever a file contains, decoding ends with a picture within the bounds or with a
        /// reason.
        #[test]
        fn damaged_files_give_a_reason(
            file in prop::sample::select(files()),
            cut in any::<prop::sample::Index>(),
            whole in any::<bool>(),
            wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = file;
            for (at, byte) in wrong {
                // The first bytes determine the format, and most errors are in the header.
                let at = at.index(bytes.len().min(600));
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len()));
            }
            let bounds = Bounds { pixels: 1 << 18, memory: 1 << 22 };
            match decode(&bytes, bounds) {
                Ok(picture) => prop_assert!(picture.width() * picture.height() <= 1 << 18),
                Err(Undecoded { reason, .. }) => {
                    prop_assert!(!reason.is_empty() && !reason.contains('\n'));
                    for jargon in ["EOF", "usize", "u32", "Err(", "chunk", "IDAT", "Huffman"] {
                        prop_assert!(!reason.contains(jargon), "{reason}");
                    }
                }
            }
        }
    }

    #[test]
    fn bounds_hold_to_the_pixel() {
        let png = include_bytes!("../../tests/pictures/odd.png");
        let within = |pixels, memory| decode(png, Bounds { pixels, memory }).is_ok();
        assert!(within(23 * 37, 1 << 20));
        assert!(!within(23 * 37 - 1, 1 << 20));
        assert!(!within(23 * 37, 23 * 37 * 3 - 1));
    }
}
