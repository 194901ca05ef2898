//! Colours, for light and for dark: one table, from which the style sheet takes its variables.

use std::fmt::Write as _;

use super::data::Kind;

/// A variable of the style sheet: its name, its colour in light and in dark.
type Colour = (&'static str, &'static str, &'static str);

/// Behind everything.
const GROUNDS: [Colour; 2] = [("ground", "#fbfaf7", "#121517"), ("raised", "#ffffff", "#1a1e21")];

/// Text, on every ground.
const TEXTS: [Colour; 4] = [
    ("ink", "#1c2226", "#e8e6e1"),
    ("soft", "#586067", "#a3abb1"),
    ("accent", "#0b6e66", "#4fc9b8"),
    ("warn", "#a33b1f", "#f0906f"),
];

/// Marks and lines that carry information.
const MARKS: [Colour; 8] = [
    ("quiet", "#7c858c", "#77828a"),
    ("pointwise", "#0b6e66", "#4fc9b8"),
    ("three", "#b4560f", "#eda35c"),
    ("other", "#6a4fb0", "#b7a0f0"),
    ("product", "#ad2f63", "#f08bb0"),
    ("pool", "#2b66a8", "#7fb4ee"),
    ("elementwise", "#50760f", "#a6c75f"),
    ("movement", "#66717a", "#9aa6ae"),
];

/// Lines that only help the eye.
const HAIRLINES: [Colour; 1] = [("hairline", "#e2dfd8", "#2d3337")];

fn palette() -> impl Iterator<Item = &'static Colour> {
    GROUNDS.iter().chain(&TEXTS).chain(&MARKS).chain(&HAIRLINES)
}

/// The variable with the colour of a kind.
pub(crate) fn variable(kind: Kind) -> &'static str {
    match kind {
        Kind::Pointwise => "pointwise",
        Kind::ThreeByThree => "three",
        Kind::OtherConv => "other",
        Kind::Product => "product",
        Kind::Pool => "pool",
        Kind::Elementwise => "elementwise",
        Kind::Movement => "movement",
    }
}

/// The variables of the style sheet, and one class for each kind that gives its colour.
pub(crate) fn css() -> String {
    let list = |of: fn(&Colour) -> &'static str| {
        palette().fold(String::new(), |mut text, colour| {
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "--{}:{};", colour.0, of(colour));
            text
        })
    };
    let (light, dark) = (list(|c| c.1), list(|c| c.2));
    let mut css = format!(
        ":root{{color-scheme:light dark;{light}}}\n\
         @media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    );
    for kind in Kind::ALL {
        let name = variable(kind);
        let _ = writeln!(css, ".{name}{{--kind:var(--{name})}}");
    }
    css
}

#[cfg(test)]
mod tests {
    use super::super::graphs::TINT;
    use super::*;

    /// Relative luminance, as WCAG 2.2 defines it.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let byte = u8::from_str_radix(&hex[at..at + 2], 16).expect("a hexadecimal colour");
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// A colour blended over another.
    fn blend(over: &str, under: &str, opacity: f64) -> String {
        let channel = |hex: &str, at: usize| {
            f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("a hexadecimal colour"))
        };
        let mix = |at| (channel(over, at) * opacity + channel(under, at) * (1.0 - opacity)) as u8;
        format!("#{:02x}{:02x}{:02x}", mix(1), mix(3), mix(5))
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
    }

    #[test]
    fn text_and_marks_stand_out_from_every_ground_in_both_schemes() {
        for (ground, light_ground, dark_ground) in GROUNDS {
            let least = TEXTS.iter().map(|c| (c, 4.5)).chain(MARKS.iter().map(|c| (c, 3.0)));
            for (&(name, light, dark), least) in least {
                for (colour, under) in [(light, light_ground), (dark, dark_ground)] {
                    let found = contrast(colour, under);
                    assert!(found >= least, "{name} {colour} on {ground} {under}: {found:.2}");
                }
            }
        }
    }

    #[test]
    fn text_stands_out_from_tinted_boxes() {
        let (_, light_ink, dark_ink) = TEXTS[0];
        for (_, light_ground, dark_ground) in GROUNDS {
            for (name, light, dark) in MARKS {
                for (ink, colour, under) in
                    [(light_ink, light, light_ground), (dark_ink, dark, dark_ground)]
                {
                    let tinted = blend(colour, under, TINT);
                    assert!(contrast(ink, &tinted) >= 4.5, "{name} {tinted}");
                }
            }
        }
    }

    #[test]
    fn every_kind_has_a_colour() {
        for kind in Kind::ALL {
            assert!(MARKS.iter().any(|c| c.0 == variable(kind)), "{kind:?}");
        }
    }
}
