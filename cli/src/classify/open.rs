//! The shape that is used where a model leaves that of its input open.

use std::collections::BTreeMap;

use resnetc::Options;
use resnetc::import::onnx::{Dim, InputInfo};

use super::input::{CHANNELS, Layout};
use super::options;
use super::preset::Preset;
use crate::failure::Failure;
use crate::units::{self, shape};

/// What the user, and the preset, say about the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    channels: usize,
    /// Whether the user set it.
    channels_given: bool,
    /// Height and width.
    size: [usize; 2],
    size_given: bool,
    layout: Option<Layout>,
}

impl Usual {
    pub(super) fn of(options: &options::Options, preset: &str) -> Result<Self, Failure> {
        let preset = Preset::named(options.preset.as_deref().unwrap_or(preset))?;
        Ok(Usual {
            channels: options.channels.unwrap_or(preset.channels).count(),
            channels_given: options.channels.is_some(),
            size: options.size.unwrap_or(preset.size),
            size_given: options.size.is_some(),
            layout: options.layout,
        })
    }
}

/// A possible shape for an input.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guess {
    /// Extents of declared axes that are open, by name.
    dims: BTreeMap<String, usize>,
    /// The shape of an input that is declared without one.
    shapes: BTreeMap<String, Vec<usize>>,
    /// The whole shape.
    shape: [usize; 4],
    /// A description of what was open.
    what: String,
    /// The flags that set it, and whether the user gave them.
    flags: Vec<(&'static str, bool)>,
}

impl Guess {
    /// The options with this shape.
    pub(super) fn on(&self, options: &Options) -> Options {
        let mut options = options.clone();
        options.dims.extend(self.dims.clone());
        options.shapes.extend(self.shapes.clone());
        options
    }

    /// A note on what was assumed and how to change it; `None` if the user specified everything.
    pub(super) fn note(&self) -> Option<String> {
        let free: Vec<&str> =
            self.flags.iter().filter_map(|&(flag, is_given)| (!is_given).then_some(flag)).collect();
        let change = if free.len() == 1 { "changes that" } else { "change that" };
        (!free.is_empty()).then(|| {
            let (what, shape) = (&self.what, shape(&self.shape));
            format!("the model leaves {what} open, so {shape} is used; {} {change}", and(&free))
        })
    }
}

/// What to do if a network accepts none of these.
pub(super) fn advice(tried: &[Guess]) -> Option<String> {
    let first = tried.first()?;
    let shapes: Vec<String> = tried.iter().map(|guess| shape(&guess.shape)).collect();
    let flags: Vec<&str> = first.flags.iter().map(|&(flag, _)| flag).collect();
    Some(format!(
        "the model leaves {} open, but does not accept {}; give another shape with {}",
        first.what,
        shapes.join(" or "),
        and(&flags)
    ))
}

/// `a, b and c`.
fn and(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Shapes for an input, the likeliest first; none if no axis of a picture is open, or if the input
/// does not hold pictures. Pictures are channel by channel unless the user or the declared axes say
/// otherwise, and in the preset's channels.
pub(super) fn guesses(input: &InputInfo, options: &Options, usual: &Usual) -> Vec<Guess> {
    if options.shapes.contains_key(&input.name) {
        return Vec::new();
    }
    let mut axes: [Axis<'_>; 4] = match input.dims.as_deref() {
        None => [Axis::Undeclared; 4],
        Some([n, a, b, c]) => [n, a, b, c].map(|dim| Axis::of(dim, options)),
        Some(_) => return Vec::new(),
    };
    // The batch has its own option.
    axes[0] = Axis::Known(match (options.batch, axes[0]) {
        (Some(batch), _) | (None, Axis::Known(batch)) => batch,
        _ => 1,
    });
    if axes[1..].iter().all(|axis| matches!(axis, Axis::Known(_))) {
        return Vec::new();
    }
    let channels: &[usize] = match usual.channels_given {
        true => &[usual.channels],
        // The channels of the preset first.
        false if usual.channels == CHANNELS[0] => &CHANNELS,
        false => &[CHANNELS[1], CHANNELS[0]],
    };
    let mut layouts = vec![Layout::Nchw, Layout::Nhwc];
    layouts.retain(|&layout| usual.layout.is_none_or(|wanted| wanted == layout));
    // Models leave the channels open least often.
    let is_declared = |layout: Layout| match axes[layout.axes()[0]] {
        Axis::Known(extent) => CHANNELS.contains(&extent),
        _ => false,
    };
    if layouts.iter().any(|&layout| is_declared(layout)) {
        layouts.retain(|&layout| is_declared(layout));
    }
    let [height, width] = usual.size;
    let mut found: Vec<Guess> = Vec::new();
    for layout in layouts {
        for &channels in channels {
            let extents = match layout {
                Layout::Nchw => [1, channels, height, width],
                Layout::Nhwc => [1, height, width, channels],
            };
            let guess = fill(input, axes, extents, layout, usual);
            let is_new = |guess: &Guess| found.iter().all(|other| other.shape != guess.shape);
            let guess = guess.filter(is_new);
            found.extend(guess);
        }
    }
    found
}

/// What is known about an axis.
#[derive(Clone, Copy, Debug)]
enum Axis<'a> {
    Known(usize),
    Open(&'a str),
    /// No name, since there is no declaration.
    Undeclared,
}

impl<'a> Axis<'a> {
    fn of(dim: &'a Dim, options: &Options) -> Self {
        match dim {
            Dim::Fixed(extent) => Axis::Known(*extent),
            Dim::Symbol(name) => {
                options.dims.get(name).map_or(Axis::Open(name), |&extent| Axis::Known(extent))
            }
        }
    }
}

/// The input with these extents where its axes are open; `None` if the channels are then not 1 or
/// 3, are open beside one known side that is not the usual one, or an axis has two extents.
fn fill(
    input: &InputInfo,
    axes: [Axis<'_>; 4],
    extents: [usize; 4],
    layout: Layout,
    usual: &Usual,
) -> Option<Guess> {
    let [channels, height, width] = layout.axes();
    let mut shape = extents;
    let mut dims = BTreeMap::new();
    for (extent, axis) in shape.iter_mut().zip(axes) {
        match axis {
            Axis::Known(known) => *extent = known,
            Axis::Undeclared => {}
            Axis::Open(name) => {
                let is_other = |known: usize| known != *extent;
                if dims.insert(name.to_owned(), *extent).is_some_and(is_other) {
                    return None;
                }
            }
        }
    }
    if !CHANNELS.contains(&shape[channels]) {
        return None;
    }
    let is_open = |axis: usize| !matches!(axes[axis], Axis::Known(_));
    let size_open = is_open(height) || is_open(width);
    let is_usual = [shape[height], shape[width]] == usual.size;
    if is_open(channels) && is_open(height) != is_open(width) && !is_usual {
        return None;
    }
    let is_declared = input.dims.is_some();
    let flags = [
        (size_open, ("--size", usual.size_given)),
        (is_open(channels), ("--channels", usual.channels_given)),
        ((1..4).all(is_open), ("--layout", usual.layout.is_some())),
    ];
    let open = [(channels, "channels"), (height, "height"), (width, "width")];
    let open = open.into_iter().filter_map(|(axis, what)| is_open(axis).then_some(what));
    let what = if is_declared { and(&open.collect::<Vec<_>>()) } else { "the shape".to_owned() };
    let shapes = (!is_declared).then(|| (input.name.clone(), shape.to_vec()));
    Some(Guess {
        dims,
        shapes: shapes.into_iter().collect(),
        shape,
        what: format!("{what} of its input \"{}\"", units::name(&input.name)),
        flags: flags.into_iter().filter_map(|(is_open, flag)| is_open.then_some(flag)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use resnetc::DType;

    const USUAL: Usual = Usual {
        channels: 3,
        channels_given: false,
        size: [224, 192],
        size_given: false,
        layout: None,
    };

    fn declared(dims: &[&str]) -> InputInfo {
        let dim = |text: &&str| match text.parse() {
            Ok(extent) => Dim::Fixed(extent),
            Err(_) => Dim::Symbol((*text).to_owned()),
        };
        let dims = Some(dims.iter().map(dim).collect());
        InputInfo { name: "x".into(), dims, dtype: DType::F32 }
    }

    fn shapes(input: &InputInfo, usual: &Usual) -> Vec<[usize; 4]> {
        guesses(input, &Options::default(), usual).iter().map(|guess| guess.shape).collect()
    }

    #[test]
    fn open_axes_get_the_sizes_of_their_layout() {
        for (dims, wanted) in [
            (&["n", "3", "h", "w"][..], &[[1, 3, 224, 192]][..]),
            (&["8", "1", "h", "w"], &[[8, 1, 224, 192]]),
            (&["n", "h", "w", "3"], &[[1, 224, 192, 3]]),
            (&["n", "3", "64", "w"], &[[1, 3, 64, 192]]),
            (&["n", "c", "64", "64"], &[[1, 3, 64, 64], [1, 1, 64, 64]]),
            (&["n", "64", "64", "c"], &[[1, 64, 64, 3], [1, 64, 64, 1]]),
            (&["n", "3", "s", "s"], &[]),
            (&["n", "4", "h", "w"], &[]),
            (&["n", "3", "64", "64"], &[]),
            (&["n", "features"], &[]),
        ] {
            assert_eq!(shapes(&declared(dims), &USUAL), wanted, "{dims:?}");
        }
        let any = [[1, 3, 224, 192], [1, 1, 224, 192], [1, 224, 192, 3], [1, 224, 192, 1]];
        assert_eq!(shapes(&declared(&["n", "a", "b", "c"]), &USUAL), any);
        let undeclared = InputInfo { dims: None, ..declared(&[]) };
        assert_eq!(shapes(&undeclared, &USUAL), any);
        let told = Usual { channels: 1, channels_given: true, layout: Some(Layout::Nhwc), ..USUAL };
        assert_eq!(shapes(&undeclared, &told), [[1, 224, 192, 1]]);
    }

    #[test]
    fn what_the_user_says_is_no_guess() {
        let note = |dims: &[&str], usual: &Usual| {
            guesses(&declared(dims), &Options::default(), usual)[0].note()
        };
        let open = &["n", "3", "h", "w"];
        assert_eq!(
            note(open, &USUAL).as_deref(),
            Some(
                "the model leaves height and width of its input \"x\" open, so [1, 3, 224, 192] is used; --size changes that"
            )
        );
        assert_eq!(note(open, &Usual { size_given: true, ..USUAL }), None);
        let all = note(&["n", "a", "b", "c"], &USUAL).unwrap();
        assert!(all.ends_with("; --size, --channels and --layout change that"), "{all}");
        let options = Options::default().dims([("w".to_owned(), 7)]);
        let one = &guesses(&declared(open), &options, &USUAL)[0];
        assert_eq!((one.shape, &one.dims), ([1, 3, 224, 7], &[("h".to_owned(), 224)].into()));
        let options = Options::default().shapes([("x".to_owned(), vec![1])]);
        assert!(guesses(&declared(open), &options, &USUAL).is_empty());
        let undeclared = InputInfo { dims: None, ..declared(&[]) };
        let options = Options::default().batch(8);
        let guess = &guesses(&undeclared, &options, &USUAL)[0];
        assert_eq!(guess.shapes["x"], [8, 3, 224, 192]);
    }
}
