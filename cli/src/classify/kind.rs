//! Recognizes a file by its first bytes, since extensions may be wrong.

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// With its article, as in "a PNG picture".
    pub(super) name: &'static str,
    pub(super) use_as: Use,
}

/// What can be done with a kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is decoded.
    Decoded,
    /// It is a picture in a format that is not supported.
    Foreign,
    /// It is not a picture.
    Other,
}

/// This many bytes from the start of a file determine its kind.
pub(super) const HEAD: usize = 512;

/// A kind, and the bytes that its files have at an offset.
type Row = (&'static str, Use, usize, &'static [u8]);

/// The first row that matches counts.
const KINDS: &[Row] = &[
    ("a PNG picture", Use::Decoded, 0, b"\x89PNG\r\n\x1a\n"),
    ("a JPEG picture", Use::Decoded, 0, b"\xff\xd8\xff"),
    ("a WebP picture", Use::Decoded, 8, b"WEBP"),
    ("a BMP picture", Use::Decoded, 0, b"BM"),
    ("an AVIF picture", Use::Foreign, 4, b"ftypavif"),
    ("an AVIF picture", Use::Foreign, 4, b"ftypavis"),
    ("a HEIC picture", Use::Foreign, 4, b"ftyphei"),
    ("a HEIC picture", Use::Foreign, 4, b"ftyphev"),
    ("a HEIF picture", Use::Foreign, 4, b"ftypmif1"),
    ("a HEIF picture", Use::Foreign, 4, b"ftypmsf1"),
    ("a camera's raw picture (CR3)", Use::Foreign, 4, b"ftypcrx "),
    ("a video (MP4 or QuickTime)", Use::Other, 4, b"ftyp"),
    ("a TIFF picture", Use::Decoded, 0, b"II*\0"),
    ("a TIFF picture", Use::Decoded, 0, b"MM\0*"),
    ("a BigTIFF picture", Use::Foreign, 0, b"II+\0"),
    ("a BigTIFF picture", Use::Foreign, 0, b"MM\0+"),
    ("a GIF picture", Use::Decoded, 0, b"GIF87a"),
    ("a GIF picture", Use::Decoded, 0, b"GIF89a"),
    ("a Photoshop document (PSD)", Use::Foreign, 0, b"8BPS"),
    ("a JPEG XL picture", Use::Foreign, 0, b"\xff\x0a"),
    ("a JPEG XL picture", Use::Foreign, 4, b"JXL \r\n"),
    ("a JPEG 2000 picture", Use::Foreign, 4, b"jP  \r\n"),
    ("a JPEG 2000 picture", Use::Foreign, 0, b"\xff\x4f\xff\x51"),
    ("an OpenEXR picture", Use::Foreign, 0, b"\x76\x2f\x31\x01"),
    ("a Radiance HDR picture", Use::Foreign, 0, b"#?RADIANCE"),
    ("a DDS texture", Use::Foreign, 0, b"DDS "),
    ("a QOI picture", Use::Foreign, 0, b"qoif"),
    ("a farbfeld picture", Use::Foreign, 0, b"farbfeld"),
    ("an icon (ICO)", Use::Foreign, 0, b"\0\0\x01\0"),
    ("a DICOM picture", Use::Foreign, 128, b"DICM"),
    ("a FITS picture", Use::Foreign, 0, b"SIMPLE  ="),
    ("a camera's raw picture (RAF)", Use::Foreign, 0, b"FUJIFILMCCD-RAW"),
    ("a GIMP document (XCF)", Use::Foreign, 0, b"gimp xcf"),
    ("a PDF document", Use::Other, 0, b"%PDF"),
    ("a PostScript document", Use::Other, 0, b"%!PS"),
    ("a NumPy array", Use::Other, 0, b"\x93NUMPY"),
    ("an HDF5 file", Use::Other, 0, b"\x89HDF\r\n\x1a\n"),
    ("a video (Matroska or WebM)", Use::Other, 0, b"\x1a\x45\xdf\xa3"),
    ("a video (AVI)", Use::Other, 8, b"AVI "),
    ("a ZIP archive", Use::Other, 0, b"PK\x03\x04"),
    ("a gzip archive", Use::Other, 0, b"\x1f\x8b"),
    ("a tar archive", Use::Other, 257, b"ustar"),
    ("a program", Use::Other, 0, b"\x7fELF"),
    ("a Git LFS pointer to a file that was not fetched", Use::Other, 0, b"version https://git-lfs"),
];

impl Kind {
    /// The kind of a file that begins with these bytes, of which [`HEAD`] are enough; `None` if it
    /// is unknown.
    pub(super) fn of(head: &[u8]) -> Option<Kind> {
        if head.is_empty() {
            return Some(Kind { name: "an empty file", use_as: Use::Other });
        }
        let fits =
            |&&(_, _, at, magic): &&Row| head.get(at..).is_some_and(|h| h.starts_with(magic));
        match KINDS.iter().find(fits) {
            Some(&(name, use_as, ..)) => Some(Kind { name, use_as }),
            None => plain(head),
        }
    }

    pub(super) fn is_decoded(self) -> bool {
        self.use_as == Use::Decoded
    }

    /// Why a file of this kind cannot be read as a picture, and what to do.
    pub(super) fn refusal(self) -> String {
        match self.use_as {
            Use::Foreign => {
                format!("this is {}, which is not supported; convert it to PNG or JPEG", self.name)
            }
            Use::Decoded | Use::Other => format!("this is {}, not a picture", self.name),
        }
    }
}

/// Kinds that are text, whose first word may follow white space.
fn plain(head: &[u8]) -> Option<Kind> {
    let kind = |name, use_as| Some(Kind { name, use_as });
    if let [b'P', b'1'..=b'7', b' ' | b'\t' | b'\n' | b'\r', ..] = head {
        return kind("a Netpbm picture", Use::Decoded);
    }
    let head = &head[..head.len().min(HEAD)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut off at the end.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&head[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()) {
        return None;
    }
    let lower = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let has = |word: &str| lower.contains(word);
    match () {
        () if lower.starts_with('<') && has("<svg") => kind("an SVG drawing", Use::Foreign),
        () if lower.starts_with('<') && has("<html") => kind("a web page", Use::Other),
        () if lower.starts_with("<!doctype html") => kind("a web page", Use::Other),
        () => kind("a text", Use::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(head: &[u8]) -> &'static str {
        Kind::of(head).map_or("unknown", |k| k.name)
    }

    #[test]
    fn files_are_what_their_first_bytes_say() {
        assert_eq!(name(include_bytes!("../../tests/pictures/odd.png")), "a PNG picture");
        assert_eq!(name(include_bytes!("../../tests/pictures/grey.jpg")), "a JPEG picture");
        assert_eq!(name(include_bytes!("../../tests/pictures/alpha.webp")), "a WebP picture");
        assert_eq!(name(b"P6 2 2 255\n"), "a Netpbm picture");
        assert_eq!(name(b"\0\0\0\x20ftypavif\0\0\0\0"), "an AVIF picture");
        assert_eq!(name(b"\0\0\0\x20ftypheic\0\0\0\0"), "a HEIC picture");
        assert_eq!(name(b"\0\0\0\x20ftypisom\0\0\0\0"), "a video (MP4 or QuickTime)");
        assert_eq!(name(b"8BPS\0\x01"), "a Photoshop document (PSD)");
        assert_eq!(
            name("\u{feff}<?xml version='1.0'?>\n<!-- a --> <SVG >".as_bytes()),
            "an SVG drawing"
        );
        assert_eq!(name(b"<!DOCTYPE html>"), "a web page");
        assert_eq!(name("Grüße".as_bytes()), "a text");
        assert_eq!(name(b"\x01\x02\x03\x04"), "unknown");
        assert_eq!(name(b""), "an empty file");
    }

    #[test]
    fn a_character_on_the_edge_of_the_head_makes_no_difference() {
        for cut in 0..4 {
            let text = format!("{}ü", "a".repeat(HEAD - cut));
            assert_eq!(name(&text.as_bytes()[..HEAD.min(text.len())]), "a text", "{cut}");
        }
    }
}
