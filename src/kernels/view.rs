//! Maps logical indices to addresses: the loop nests of values that are read through slices,
//! permutations and broadcasts.

use resnetc_ir::ty::Layout;

use super::element::Element;
use super::function::Function;
use super::geometry::Place;
use super::loops::{Level, Loops, OPERANDS};
use super::nest::Nest;

/// How one axis of the iteration traverses an operand: index `i` reads element `start + step * i`
/// of the operand's axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Which axis of the operand.
    pub axis: usize,
    /// The element at index 0.
    pub start: i64,
    /// Elements per index; may be negative.
    pub step: i64,
}

/// An operand as seen by the iteration: one entry for each axis of the iteration, `None` where the
/// operand is broadcast.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The operand.
    pub place: &'a Place,
    /// How each axis of the iteration traverses it.
    pub axes: Vec<Option<Axis>>,
}

impl<'a> View<'a> {
    /// The whole operand, axis by axis.
    pub fn whole(place: &'a Place) -> Self {
        let axes = (0..place.geometry.ty.shape.len())
            .map(|axis| Some(Axis { axis, start: 0, step: 1 }))
            .collect();
        View { place, axes }
    }

    /// The operand broadcast to `rank` axes: aligned at the last axis, and broadcast where its
    /// extent is 1.
    pub fn broadcast(place: &'a Place, rank: usize) -> Self {
        let shape = &place.geometry.ty.shape;
        let lead = rank - shape.len();
        let axis = |i: usize| {
            let axis = i.checked_sub(lead)?;
            (shape[axis] != 1).then_some(Axis { axis, start: 0, step: 1 })
        };
        View { place, axes: (0..rank).map(axis).collect() }
    }

    /// The byte offset that `index` along an axis of the iteration adds.
    pub(super) fn offset(&self, axis: usize, index: usize) -> i64 {
        match self.axes[axis] {
            None => 0,
            Some(a) => axis_offset(self.place, a.axis, a.start + a.step * index as i64),
        }
    }
}

/// The byte offset of element `index` along one axis of a value. Affine in the index, except for
/// blocked channels.
pub(super) fn axis_offset(place: &Place, axis: usize, index: i64) -> i64 {
    let geometry = &place.geometry;
    match geometry.ty.layout {
        Layout::Planar => index * geometry.planar_strides()[axis],
        Layout::Blocked => {
            let s = geometry.strides();
            match axis {
                0 => index * s.image,
                1 => s.channel(index.max(0) as usize),
                2 => index * s.row,
                _ => index * s.pixel,
            }
        }
    }
}

/// The nests that compute `function` for every index of `extents`, the result first among `views`.
pub fn nests(function: Function, extents: &[usize], views: &[View<'_>]) -> Vec<Nest> {
    let element = |v: &View<'_>| Element::of(v.place.geometry.ty.dtype).unwrap_or_default();
    let elements = std::array::from_fn(|i| views.get(i).map(element).unwrap_or_default());
    let nest = |loops| Nest { elements, ..Nest::new(function, loops) };
    loops(extents, views).into_iter().map(nest).collect()
}

/// The loops over every index of `extents`, the result first among `views`.
pub fn loops(extents: &[usize], views: &[View<'_>]) -> Vec<Loops> {
    let starts = views.iter().map(|v| (v.place.base, v.place.origin())).collect();
    let mut all = vec![(Loops { starts, levels: Vec::new() }, Vec::new())];
    let lanes_last = views[0].place.geometry.ty.layout == Layout::Blocked;
    for (axis, &extent) in extents.iter().enumerate() {
        let segments = segments(extent, |i| {
            std::array::from_fn(|o| views.get(o).map_or(0, |v| v.offset(axis, i)))
        });
        all = all
            .into_iter()
            .flat_map(|(loops, lanes)| {
                segments.iter().map(move |s| s.extend(&loops, &lanes, lanes_last && axis == 1))
            })
            .collect();
    }
    let finish = |(mut loops, lanes): (Loops, Vec<Level>)| {
        loops.levels.extend(lanes);
        loops
    };
    all.into_iter().map(finish).collect()
}

/// Addresses along one axis: `outer` runs of `inner` elements, both evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    start: [i64; OPERANDS],
    outer: Level,
    inner: Level,
}

impl Segment {
    /// The loops with those of the segment added, the inner one to those that come last if
    /// `lanes_last`.
    fn extend(&self, loops: &Loops, lanes: &[Level], lanes_last: bool) -> (Loops, Vec<Level>) {
        let (mut loops, mut lanes) = (loops.clone(), lanes.to_vec());
        loops.starts.iter_mut().zip(self.start).for_each(|(s, add)| s.1 += add);
        loops.levels.push(self.outer);
        match lanes_last {
            true => lanes.push(self.inner),
            false => loops.levels.push(self.inner),
        }
        (loops, lanes)
    }
}

/// Splits the addresses of an axis into segments greedily.
fn segments(extent: usize, address: impl Fn(usize) -> [i64; OPERANDS]) -> Vec<Segment> {
    let addresses: Vec<_> = (0..extent).map(address).collect();
    let minus = |a: [i64; OPERANDS], b: [i64; OPERANDS]| -> [i64; OPERANDS] {
        std::array::from_fn(|i| a[i] - b[i])
    };
    // The length of the evenly spaced run from `at` on, and its spacing.
    let run = |at: usize| {
        let Some(&next) = addresses.get(at + 1) else { return (1, [0; OPERANDS]) };
        let step = minus(next, addresses[at]);
        let more = addresses[at..].windows(2).take_while(|w| minus(w[1], w[0]) == step).count();
        (more + 1, step)
    };
    let mut segments: Vec<Segment> = Vec::new();
    let mut at = 0;
    while at < extent {
        let (length, step) = run(at);
        let inner = Level { extent: length, strides: step };
        let start = addresses[at];
        at += length;
        match segments.last_mut() {
            Some(s) if s.inner == inner && follows(s, start) => {
                s.outer.strides =
                    if s.outer.extent == 1 { minus(start, s.start) } else { s.outer.strides };
                s.outer.extent += 1;
            }
            _ => segments.push(Segment {
                start,
                outer: Level { extent: 1, strides: [0; OPERANDS] },
                inner,
            }),
        }
    }
    segments
}

fn follows(segment: &Segment, start: [i64; OPERANDS]) -> bool {
    let n = segment.outer.extent as i64;
    n == 1 || (0..OPERANDS).all(|i| start[i] == segment.start[i] + segment.outer.strides[i] * n)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Addresses of evenly spaced runs, like those of blocked channels under slices and steps.
    fn addresses() -> impl Strategy<Value = Vec<[i64; OPERANDS]>> {
        let runs = prop::collection::vec((1usize..4, -2i64..3, 0i64..3), 1..9);
        runs.prop_map(|runs| {
            let mut next = [0; OPERANDS];
            let mut all = Vec::new();
            for (length, step, jump) in runs {
                for _ in 0..length {
                    all.push(next);
                    next[0] += 1;
                    next[1] += step;
                }
                next[1] += 10 * jump;
            }
            all
        })
    }

    proptest! {
        #[test]
        fn segments_are_the_addresses(addresses in addresses()) {
            let mut found = Vec::new();
            for s in segments(addresses.len(), |i| addresses[i]) {
                for outer in 0..s.outer.extent as i64 {
                    for inner in 0..s.inner.extent as i64 {
                        let at = |o: usize| s.start[o] + s.outer.strides[o] * outer + s.inner.strides[o] * inner;
                        found.push(std::array::from_fn(at));
                    }
                }
            }
            prop_assert_eq!(found, addresses);
        }
    }
}
