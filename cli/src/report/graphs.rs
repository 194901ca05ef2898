//! The graph as it was described and as it is compiled, side by side: a band ties nodes before to
//! those that they became.
//!
//! Residual networks are long chains with shortcuts, so each graph is one column. An edge to the
//! next node in the column is a short line; any other edge runs beside the column, in its own lane.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::data::{Graphs, Group, Kind, Node, Report};
use super::palette::variable;
use super::svg::{legend, px, table};
use crate::units::plural;

/// The opacity of a box's colour.
pub(crate) const TINT: f64 = 0.14;

/// Distance from one row to the next.
const ROW: f64 = 26.0;
/// Height of a box.
const BOX: f64 = 20.0;
/// Distance between groups.
const GAP: f64 = 8.0;
/// Width of a lane.
const LANE: f64 = 7.0;
/// Edges beyond these share the last lane.
const LANES: usize = 8;
/// Where the line to the next box starts, from the left.
const STEM: f64 = 16.0;

pub(crate) fn section(report: &Report) -> Markup {
    let graphs = &report.graphs;
    let kinds: BTreeSet<Kind> = graphs.before.iter().chain(&graphs.after).map(|n| n.kind).collect();
    let label = format!(
        "The described graph of {} and the compiled graph of {}, with {} between nodes and their replacements. The table below \
         lists them.",
        plural(graphs.before.len(), "node"),
        plural(graphs.after.len(), "node"),
        plural(graphs.groups.iter().filter(|g| is_tied(g)).count(), "band"),
    );
    html! {
        section #graphs aria-labelledby="graphs-title" {
            h2 #graphs-title { "What became of the graph" }
            p {
                "On the left the described graph, on the right what runs; a band ties nodes to what they became. Boxes have the "
                "colour of what runs. Constants are not drawn."
            }
            (legend(kinds.into_iter()))
            div .scroll.tall tabindex="0" role="group" aria-label="Graphs, nodes by arrow keys" data-plot="graphs-plot" {
                div .columns-heads aria-hidden="true" {
                    span { "described: " (plural(graphs.before.len(), "node")) }
                    span { "compiled: " (plural(graphs.after.len(), "node")) }
                }
                div .graphs role="img" aria-label=(label) { (drawing(graphs)) }
            }
            (table("nodes", &["described", "compiled"], graphs.groups.iter().map(|g| cells(graphs, g))))
        }
    }
}

fn range((start, end): (usize, usize)) -> std::ops::Range<usize> {
    start..end
}

fn is_tied(group: &Group) -> bool {
    !range(group.before).is_empty() && !range(group.after).is_empty()
}

fn cells(graphs: &Graphs, group: &Group) -> Vec<String> {
    let names = |nodes: &[Node]| {
        nodes.iter().map(|n| format!("{} {}", n.op, n.name)).collect::<Vec<_>>().join(", ")
    };
    vec![names(&graphs.before[range(group.before)]), names(&graphs.after[range(group.after)])]
}

/// The vertical center of every box.
struct Rows {
    before: Vec<f64>,
    after: Vec<f64>,
    height: f64,
}

/// Each group is as high as the longer of its sides; the other side is spread over it.
fn rows(graphs: &Graphs) -> Rows {
    let mut rows = Rows { before: Vec::new(), after: Vec::new(), height: GAP };
    for group in &graphs.groups {
        let sides = [range(group.before).len(), range(group.after).len()];
        let height = ROW * sides.into_iter().max().unwrap_or(0) as f64;
        for (middles, count) in [(&mut rows.before, sides[0]), (&mut rows.after, sides[1])] {
            let each = height / count.max(1) as f64;
            middles.extend((0..count).map(|i| rows.height + each * (i as f64 + 0.5)));
        }
        rows.height += height + GAP;
    }
    rows
}

fn drawing(graphs: &Graphs) -> Markup {
    let rows = rows(graphs);
    let height = px(rows.height);
    let kinds: Vec<Kind> = graphs.groups.iter().map(|g| kind(graphs, g)).collect();
    html! {
        (lanes(&graphs.before, &rows.before, rows.height, Side::Left))
        (column("before", &graphs.before, &rows.before, &height, &membership(graphs, |g| g.before), &kinds))
        svg .bands width="100%" height=(height) viewBox={ "0 0 100 " (height) } preserveAspectRatio="none"
            aria-hidden="true" {
            @for (i, group) in graphs.groups.iter().enumerate().filter(|(_, g)| is_tied(g)) {
                path .band .(variable(kinds[i])) data-group=(i) d=(band(group, &rows)) {}
            }
        }
        (column("after", &graphs.after, &rows.after, &height, &membership(graphs, |g| g.after), &kinds))
        (lanes(&graphs.after, &rows.after, rows.height, Side::Right))
    }
}

/// The kind of a group: that of a compiled node that is not mere movement, or else of a described
/// node.
fn kind(graphs: &Graphs, group: &Group) -> Kind {
    let after = graphs.after[range(group.after)].iter().map(|n| n.kind);
    let before = graphs.before[range(group.before)].iter().map(|n| n.kind);
    after.chain(before).min().unwrap_or(Kind::Movement)
}

/// The group of each node of one side.
fn membership(graphs: &Graphs, side: impl Fn(&Group) -> (usize, usize)) -> Vec<usize> {
    let groups = graphs.groups.iter().enumerate();
    groups.flat_map(|(i, g)| range(side(g)).map(move |_| i)).collect()
}

fn column(
    name: &str,
    nodes: &[Node],
    middles: &[f64],
    height: &str,
    groups: &[usize],
    kinds: &[Kind],
) -> Markup {
    html! {
        svg .nodes .(name) width="100%" height=(height) aria-hidden="true" {
            @for (i, node) in nodes.iter().enumerate() {
                @let group = groups.get(i).copied().unwrap_or(0);
                @let kind = kinds.get(group).copied().unwrap_or(node.kind);
                @if i > 0 && node.operands.contains(&(i - 1)) {
                    line .edge x1=(px(STEM)) x2=(px(STEM)) y1=(px(middles[i - 1] + BOX / 2.0))
                        y2=(px(middles[i] - BOX / 2.0)) {}
                }
                g .node .(variable(kind)) data-mark data-group=(group) {
                    title { (node.op) " " (node.name) ": " (node.line) }
                    rect x="0.5" y=(px(middles[i] - BOX / 2.0)) width="99.7%" height=(px(BOX)) rx="4"
                        fill-opacity=(TINT) {}
                    text x="9" y=(px(middles[i] + 4.0)) { tspan .op { (node.op) } " " (node.name) }
                }
            }
        }
    }
}

/// A band from all boxes before to all boxes after.
fn band(group: &Group, rows: &Rows) -> String {
    let span = |middles: &[f64], nodes: (usize, usize)| {
        let middles = &middles[range(nodes)];
        let (first, last) = (middles.first().copied(), middles.last().copied());
        (first.unwrap_or(0.0) - BOX / 2.0, last.unwrap_or(0.0) + BOX / 2.0)
    };
    let (top, bottom) = span(&rows.before, group.before);
    let (to_top, to_bottom) = span(&rows.after, group.after);
    format!(
        "M0 {top:.1}C50 {top:.1} 50 {to_top:.1} 100 {to_top:.1}V{to_bottom:.1}\
         C50 {to_bottom:.1} 50 {bottom:.1} 0 {bottom:.1}Z"
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// An edge beside a column, from one position in it to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Detour {
    from: usize,
    to: usize,
    lane: usize,
}

/// The edges that are not short lines. Shorter edges are nearer to the column; edges that overlap
/// have separate lanes, as long as there are lanes.
fn detours(nodes: &[Node]) -> Vec<Detour> {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for (to, node) in nodes.iter().enumerate() {
        let far = node.operands.iter().filter(|&&from| from + 1 != to);
        edges.extend(far.map(|&from| (from, to)));
    }
    edges.sort_unstable_by_key(|&(from, to)| (from.abs_diff(to), from, to));
    edges.dedup();
    let mut lanes: Vec<Vec<(usize, usize)>> = Vec::new();
    let place = |(from, to): (usize, usize)| {
        let (start, end) = (from.min(to), from.max(to));
        let is_free =
            |lane: &Vec<(usize, usize)>| lane.iter().all(|&(s, e)| end <= s || e <= start);
        let lane = lanes.iter().position(is_free).unwrap_or(lanes.len()).min(LANES - 1);
        if lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[lane].push((start, end));
        Detour { from, to, lane }
    };
    edges.into_iter().map(place).collect()
}

fn lanes(nodes: &[Node], middles: &[f64], height: f64, side: Side) -> Markup {
    let detours = detours(nodes);
    let count = detours.iter().map(|d| d.lane + 1).max().unwrap_or(0);
    let width = LANE * (count as f64 + 1.0);
    let path = |detour: &Detour| {
        let (from, to) = (middles[detour.from] + 3.0, middles[detour.to] - 3.0);
        let reach = LANE * (detour.lane as f64 + 1.0);
        let (edge, lane) = match side {
            Side::Left => (width, width - reach),
            Side::Right => (0.0, reach),
        };
        format!("M{edge:.1} {from:.1}H{lane:.1}V{to:.1}H{edge:.1}")
    };
    html! {
        svg width=(px(width)) height=(px(height)) aria-hidden="true" {
            @for detour in &detours { path .detour d=(path(detour)) {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(operands: Vec<usize>) -> Node {
        let (id, name, line) = (String::new(), String::new(), String::new());
        Node { id, name, op: "add", kind: Kind::Elementwise, line, operands }
    }

    #[test]
    fn a_shortcut_is_the_only_detour_of_a_block() {
        let nodes = [vec![], vec![0], vec![1], vec![2, 0]].map(node);
        assert_eq!(detours(&nodes), [Detour { from: 0, to: 3, lane: 0 }]);
    }

    proptest! {
        #[test]
        fn detours_cross_only_where_lanes_run_out(
            edges in prop::collection::vec(prop::collection::vec(0usize..30, 0..3), 1..30),
        ) {
            let nodes: Vec<Node> = edges.iter().enumerate()
                .map(|(i, operands)| node(operands.iter().map(|&o| o % (i + 1)).filter(|&o| o < i).collect()))
                .collect();
            let detours = detours(&nodes);
            for (i, a) in detours.iter().enumerate() {
                prop_assert!(nodes[a.to].operands.contains(&a.from) && a.lane < LANES);
                for b in &detours[i + 1..] {
                    let overlap = a.from < b.to && b.from < a.to;
                    prop_assert!(!overlap || a.lane != b.lane || a.lane == LANES - 1, "{a:?} {b:?}");
                }
            }
        }

        #[test]
        fn boxes_never_overlap(sizes in prop::collection::vec((0usize..5, 0usize..5), 1..20)) {
            let mut groups = Vec::new();
            let (mut before, mut after) = (0, 0);
            for (b, a) in sizes {
                groups.push(Group { before: (before, before + b), after: (after, after + a) });
                (before, after) = (before + b, after + a);
            }
            let nodes = |n: usize| (0..n).map(|_| node(Vec::new())).collect();
            let rows = rows(&Graphs { before: nodes(before), after: nodes(after), groups });
            prop_assert_eq!((rows.before.len(), rows.after.len()), (before, after));
            for middles in [&rows.before, &rows.after] {
                prop_assert!(middles.windows(2).all(|w| w[1] - w[0] >= ROW - 1e-9));
                prop_assert!(middles.iter().all(|&m| m - BOX / 2.0 >= 0.0 && m + BOX / 2.0 <= rows.height));
            }
        }
    }
}
