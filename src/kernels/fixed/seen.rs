//! What a chunk sees of its source: stored in its thread's memory as digits, and checked.

use crate::codegen::region::{Extent, Item};
use crate::kernels::KernelError;
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD};

use super::dark::Suspects;
use super::guard::Guard;
use super::layer::{Grid, WideLayer};
use super::magnitudes::{MAGNITUDE_BYTES, Magnitudes};
use super::positions::Seen;
use super::sizes::{GROUP, GROUP_BLOCKS};
use super::split::Split;

impl WideLayer<'_> {
    /// Splits the source into digits.
    pub(super) fn split(&self, grid: &Grid, sink: &mut Sink) -> Result<Vec<Item>, KernelError> {
        let form = self.form;
        let memory = form.memory(grid.stripe.rows);
        let plane = self.frame.operands.src.geometry.strides().plane;
        let mut items = Vec::new();
        for i in 0..form.positions.phases.len() {
            let seen = self.seen(grid, i);
            for (first, count, channels) in runs(form.inputs) {
                let kernel = Split {
                    target: sink.machine.target,
                    width: form.format.values,
                    positions: seen.size[1],
                    pixel: seen.pixel,
                    plane,
                    channels,
                };
                let name = self.frame.name("split");
                let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
                let (first, group) = (first as i64, GROUP_BLOCKS as i64 * plane);
                let place = memory.digits + i as i64 * memory.phase + first * memory.group;
                let mut levels = Levels::new([
                    Pointer::new(self.frame.operands.src.base, seen.first + first * group),
                    Pointer::new(THREAD, place),
                    Pointer::new(THREAD, 0),
                ]);
                self.seen_chunks(grid, &mut levels);
                levels.inner(Extent::Fixed(count as u32), [group, memory.group, 0]);
                let row =
                    [seen.row, form.positions.pitch as i64 * form.format.values.position(), 0];
                levels.inner(Extent::Fixed(seen.size[0] as u32), row);
                items.push(Item::Call(levels.call(kernel, &[])));
            }
        }
        Ok(items)
    }

    /// What a chunk sees of a phase.
    fn seen(&self, grid: &Grid, phase: usize) -> Seen {
        let (window, src) = (&self.frame.conv.window, self.frame.operands.src);
        self.form.positions.seen(window, src, grid.stripe, phase)
    }

    /// Adds the chunk levels to pointers of which the first is to the source.
    fn seen_chunks<const N: usize>(&self, grid: &Grid, levels: &mut Levels<N>) {
        let src = self.frame.operands.src.geometry.strides();
        let of_source = |bytes: i64| std::array::from_fn(|i| if i == 0 { bytes } else { 0 });
        let down = self.form.positions.strides[0] as i64 * src.row;
        self.frame.chunks(levels, grid.stripe, of_source(src.image), of_source(down), [0; N]);
    }

    /// The checks that decide which rows are computed directly.
    pub(super) fn checks(
        &self,
        grid: &Grid,
        guard: &Guard<'_>,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let mut all = Vec::new();
        for i in 0..self.form.positions.phases.len() {
            all.push(self.magnitudes(grid, i, guard, sink)?);
        }
        all.push(guard.check(true, sink)?);
        Ok(vec![self.suspects(grid, guard, sink)?, guard.when_any(all)])
    }

    /// The check whether the middle of each window has a nonzero high digit in one of its first
    /// channels.
    fn suspects(
        &self,
        grid: &Grid,
        guard: &Guard<'_>,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, memory) = (self.form, self.form.memory(grid.stripe.rows));
        let [rows, columns] = [grid.stripe.rows, form.positions.size[1]];
        let size =
            if columns == form.positions.pitch { [1, rows * columns] } else { [rows, columns] };
        let (target, width) = (sink.machine.target, form.format.values);
        let position = width.position();
        let row = form.positions.pitch as i64 * position;
        let suspects = Suspects { target, width, size, row };
        let name = self.frame.name("suspects");
        let kernel = sink.program(&name, format!("{suspects:?}"), |n| suspects.program(n))?;
        let middle = &form.positions.taps[form.positions.taps.len() / 2];
        let place = form.positions.place(middle, [memory.phase, position]);
        let mut levels = Levels::new([Pointer::new(THREAD, memory.digits + place), guard.word()]);
        guard.chunks(&mut levels, [0; 2], [0; 2], [0; 2]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The magnitudes of the pixels of a phase.
    fn magnitudes(
        &self,
        grid: &Grid,
        phase: usize,
        guard: &Guard<'_>,
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let (form, seen) = (self.form, self.seen(grid, phase));
        let kernel = Magnitudes {
            target: sink.machine.target,
            positions: seen.size[1],
            pixel: seen.pixel,
            plane: self.frame.operands.src.geometry.strides().plane,
            channels: form.inputs,
        };
        let name = self.frame.name("magnitudes");
        let kernel = sink.program(&name, format!("{kernel:?}"), |n| kernel.program(n))?;
        let place = phase as i64 * form.magnitudes_phase(grid.stripe.rows);
        let mut levels = Levels::new([
            Pointer::new(self.frame.operands.src.base, seen.first),
            Pointer::new(THREAD, guard.magnitudes() + place),
        ]);
        self.seen_chunks(grid, &mut levels);
        let row = [seen.row, form.positions.pitch as i64 * MAGNITUDE_BYTES];
        levels.inner(Extent::Fixed(seen.size[0] as u32), row);
        Ok(Item::Call(levels.call(kernel, &[])))
    }
}

/// Runs of groups of blocks that are split in the same way: the first group, the number of groups,
/// the number of channels of each.
fn runs(inputs: usize) -> Vec<(usize, usize, usize)> {
    let (whole, rest) = (inputs / GROUP, inputs % GROUP);
    let runs = [(0, whole, GROUP), (whole, 1, rest)];
    runs.into_iter().filter(|(_, count, channels)| *count > 0 && *channels > 0).collect()
}
