//! A figure: lines, areas and text at places in pixels, from the left and from the top.

/// What something is drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Behind everything.
    Ground,
    Text,
    /// Lines that only help the eye.
    Grid,
    /// Lines of the legend that stand for those of every series.
    Key,
    Series(usize),
}

/// A colour, red, green and blue from the highest byte on, in light and in dark.
type Colour = (u32, u32);

/// A figure has at most so many series.
pub(super) const MOST_SERIES: usize = SERIES.len();

/// Those of Okabe and Ito ("Color Universal Design", 2008), darkened or lightened until lines stand
/// out from their ground.
const SERIES: [Colour; 8] = [
    (0x0072b2, 0x56b4e9),
    (0xc04a00, 0xf0843c),
    (0x007a5a, 0x33c297),
    (0xa8447f, 0xe08bbd),
    (0x8a6d00, 0xe6c029),
    (0x4a4a4a, 0xb8b8b8),
    (0x5b3fb0, 0xa996f2),
    (0x8f1d1d, 0xf07070),
];

impl Ink {
    pub(super) fn all() -> impl Iterator<Item = Ink> {
        [Ink::Ground, Ink::Text, Ink::Grid, Ink::Key]
            .into_iter()
            .chain((0..MOST_SERIES).map(Ink::Series))
    }

    pub(super) fn colour(self) -> Colour {
        match self {
            Ink::Ground => (0xffffff, 0x121517),
            Ink::Text | Ink::Key => (0x586067, 0xa3abb1),
            Ink::Grid => (0xe2dfd8, 0x2d3337),
            Ink::Series(series) => SERIES[series % MOST_SERIES],
        }
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Hairline,
    Solid,
    Dashed,
}

impl Stroke {
    pub(super) const ALL: [Stroke; 3] = [Stroke::Hairline, Stroke::Solid, Stroke::Dashed];

    /// Its width in pixels.
    pub(super) fn width(self) -> f32 {
        match self {
            Stroke::Hairline => 1.0,
            Stroke::Solid => 2.0,
            Stroke::Dashed => 1.5,
        }
    }

    /// The lengths of a dash and of the gap after it, in pixels, if it has any.
    pub(super) fn dashes(self) -> Option<[f32; 2]> {
        match self {
            Stroke::Hairline | Stroke::Solid => None,
            Stroke::Dashed => Some([5.0, 4.0]),
        }
    }
}

/// How much an area hides of what is behind it.
pub(super) const AREA_OPACITY: f32 = 0.14;

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) type Place = (f64, f64);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Line {
        stroke: Stroke,
        ink: Ink,
        places: Vec<Place>,
    },
    Area {
        ink: Ink,
        outline: Vec<Place>,
    },
    /// `at` is on the text's baseline.
    Text {
        at: Place,
        anchor: Anchor,
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Later ones are in front.
    pub(super) shapes: Vec<Shape>,
}

impl Figure {
    /// Adds shapes whose places are counted from `origin`.
    pub(super) fn place(&mut self, origin: Place, shapes: Vec<Shape>) {
        let moved = |(x, y): Place| (x + origin.0, y + origin.1);
        let all = |places: Vec<Place>| places.into_iter().map(moved).collect();
        self.shapes.extend(shapes.into_iter().map(|shape| match shape {
            Shape::Line { stroke, ink, places } => Shape::Line { stroke, ink, places: all(places) },
            Shape::Area { ink, outline } => Shape::Area { ink, outline: all(outline) },
            Shape::Text { at, anchor, text } => Shape::Text { at: moved(at), anchor, text },
        }));
    }
}
