//! Packed constants in memory: segments of blocks, which several models can share.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use crate::codegen::region::{Address, Base, Region};
use crate::kernels::sink::{ALIGN, BASES, Fill, Pack, WEIGHTS};

use super::memory::{FileMemory, PageMemory, elements_mut};
use super::pool::default_threads;

/// Packed constants that no longer change.
#[derive(Debug)]
pub struct Segment {
    memory: Memory,
    blocks: Vec<Block>,
    sums: OnceLock<Vec<u32>>,
}

/// A range of a segment: what one layer's code reads as one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Block {
    /// Its first byte, a multiple of [`ALIGN`].
    pub offset: usize,
    /// How many bytes it has.
    pub bytes: usize,
}

#[derive(Debug)]
enum Memory {
    Packed(PageMemory),
    File(FileMemory, String),
}

impl Segment {
    /// `bytes` bytes, filled by `packs`.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn pack(packs: Vec<Pack>, bytes: usize, threads: usize) -> io::Result<Self> {
        let block = |pack: &Pack| Block { offset: pack.offset, bytes: pack.bytes };
        let blocks = packs.iter().map(block).collect();
        Ok(Segment::new(Memory::Packed(fill(packs, bytes, threads)?), blocks))
    }

    /// The contents of a file of this name with these blocks, which must be in order of their
    /// offsets; `None` if the file is too short for them.
    pub fn mapped(memory: FileMemory, name: &str, blocks: Vec<Block>) -> Option<Self> {
        let len = memory.bytes().len();
        let fits = |b: &Block| b.offset.checked_add(b.bytes).is_some_and(|end| end <= len);
        let ordered = blocks.windows(2).all(|pair| pair[0].offset <= pair[1].offset);
        let aligned = blocks.iter().all(|b| b.offset.is_multiple_of(ALIGN));
        let valid = ordered && aligned && blocks.iter().all(fits);
        valid.then(|| Segment::new(Memory::File(memory, name.to_owned()), blocks))
    }

    fn new(memory: Memory, blocks: Vec<Block>) -> Self {
        Segment { memory, blocks, sums: OnceLock::new() }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.memory {
            Memory::Packed(memory) => memory.bytes(),
            Memory::File(memory, _) => memory.bytes(),
        }
    }

    /// The name of the file that it is mapped from.
    pub fn file(&self) -> Option<&str> {
        match &self.memory {
            Memory::Packed(_) => None,
            Memory::File(_, name) => Some(name),
        }
    }

    /// The first byte; dangling if there are none.
    pub fn as_ptr(&self) -> *const u8 {
        match &self.memory {
            Memory::Packed(memory) => memory.as_ptr(),
            Memory::File(memory, _) => memory.bytes().as_ptr(),
        }
    }

    /// The blocks, in order of their offsets.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The bytes of a block.
    pub fn block(&self, block: Block) -> &[u8] {
        &self.bytes()[block.offset..][..block.bytes]
    }

    /// The checksum (CRC-32) of each block, computed on first use.
    pub fn sums(&self) -> &[u32] {
        self.sums.get_or_init(|| {
            self.blocks.iter().map(|&block| crc32fast::hash(self.block(block))).collect()
        })
    }

    /// The segment with checksums that are known already.
    pub fn with_sums(self, sums: Vec<u32>) -> Self {
        Segment { sums: OnceLock::from(sums), ..self }
    }

    /// A segment of some of the blocks.
    fn only(&self, kept: &[Block]) -> io::Result<Self> {
        let mut end = 0;
        let place = |block: &Block| {
            let offset = end;
            end = (offset + block.bytes).next_multiple_of(ALIGN);
            Block { offset, bytes: block.bytes }
        };
        let blocks: Vec<Block> = kept.iter().map(place).collect();
        let mut memory = PageMemory::zeroed(end)?;
        for (to, &from) in blocks.iter().zip(kept) {
            memory.bytes_mut()[to.offset..][..to.bytes].copy_from_slice(self.block(from));
        }
        Ok(Segment::new(Memory::Packed(memory), blocks))
    }
}

/// The base address of a model's segment, by its position among the model's segments.
pub fn base(segment: usize) -> Base {
    match segment {
        0 => WEIGHTS,
        further => Base((BASES - 1 + further) as u32),
    }
}

/// Replaces blocks of `own` by equal ones of `others`, so that they are in memory once: the places
/// in `regions` then refer to the segments that are returned. These are those of `others` that are
/// used, then one of all other blocks, if there are any.
///
/// # Errors
/// If there is not enough memory.
pub fn share(
    own: Segment,
    others: &[Arc<Segment>],
    regions: &mut [Region],
) -> io::Result<Vec<Arc<Segment>>> {
    let known = Known::of(others);
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    let mut kept = Vec::new();
    // By block, the segment and the offset in it; `None` for blocks that are kept.
    let mut moved: Vec<Option<(usize, usize)>> = Vec::with_capacity(own.blocks.len());
    for (&block, &sum) in own.blocks.iter().zip(own.sums()) {
        let Some((other, offset)) = known.find(own.block(block), sum) else {
            kept.push(block);
            moved.push(None);
            continue;
        };
        let position = segments.iter().position(|used| Arc::ptr_eq(used, other));
        let position = position.unwrap_or_else(|| {
            segments.push(Arc::clone(other));
            segments.len() - 1
        });
        moved.push(Some((position, offset)));
    }
    if segments.is_empty() || !all_inside(&own.blocks, regions) {
        return Ok(vec![Arc::new(own)]);
    }
    let last = segments.len();
    let mut rest = Vec::new().into_iter();
    if !kept.is_empty() {
        let remainder = own.only(&kept)?;
        rest = remainder.blocks.clone().into_iter();
        segments.push(Arc::new(remainder));
    }
    let mut place = |moved: Option<(usize, usize)>| {
        moved.unwrap_or_else(|| (last, rest.next().map_or(0, |block| block.offset)))
    };
    let places: Vec<(usize, usize)> = moved.into_iter().map(&mut place).collect();
    relocate(&own.blocks, &places, regions);
    Ok(segments)
}

/// The blocks of some segments, by size and checksum.
struct Known<'a>(HashMap<(usize, u32), Vec<Place<'a>>>);

/// A block of a segment.
type Place<'a> = (&'a Arc<Segment>, Block);

impl<'a> Known<'a> {
    fn of(segments: &'a [Arc<Segment>]) -> Self {
        let mut known: HashMap<_, Vec<_>> = HashMap::new();
        for segment in segments {
            for (&block, &sum) in segment.blocks.iter().zip(segment.sums()) {
                known.entry((block.bytes, sum)).or_default().push((segment, block));
            }
        }
        Known(known)
    }

    /// The segment and the offset of a block with these bytes.
    fn find(&self, bytes: &[u8], sum: u32) -> Option<(&'a Arc<Segment>, usize)> {
        let alike = self.0.get(&(bytes.len(), sum))?;
        let same = alike.iter().find(|(segment, block)| segment.block(*block) == bytes);
        same.map(|&(segment, block)| (segment, block.offset))
    }
}

/// The position of the block that an offset is in. It may be its end, as that of an empty loop.
fn block_of(blocks: &[Block], offset: i64) -> Option<usize> {
    let offset = usize::try_from(offset).ok()?;
    let at = blocks.partition_point(|block| block.offset <= offset).checked_sub(1)?;
    (offset <= blocks[at].offset + blocks[at].bytes).then_some(at)
}

/// Whether all places in the packed constants are in a block.
fn all_inside(blocks: &[Block], regions: &[Region]) -> bool {
    let places = regions.iter().flat_map(|region| &region.pieces).flat_map(|piece| piece.places());
    let mut packed = places.filter(|place| place.base == WEIGHTS);
    packed.all(|place| block_of(blocks, place.offset).is_some())
}

/// Changes the places in blocks to those in `places`: for each block, a segment and an offset.
fn relocate(blocks: &[Block], places: &[(usize, usize)], regions: &mut [Region]) {
    let mut change = |address: &mut Address| {
        if address.base == WEIGHTS
            && let Some(at) = block_of(blocks, address.offset)
        {
            let (segment, offset) = places[at];
            address.base = base(segment);
            address.offset += offset as i64 - blocks[at].offset as i64;
        }
    };
    let pieces = regions.iter_mut().flat_map(|region| &mut region.pieces);
    pieces.for_each(|piece| piece.change_places(&mut change));
}

/// Memory of `bytes` filled by `packs`.
///
/// # Errors
/// If there is not that much memory.
fn fill(packs: Vec<Pack>, bytes: usize, threads: usize) -> io::Result<PageMemory> {
    let mut memory = PageMemory::zeroed(bytes)?;
    let mut rest = memory.bytes_mut();
    let mut start = 0;
    let mut jobs = Vec::with_capacity(packs.len());
    for pack in packs {
        let (_, from) = rest.split_at_mut(pack.offset - start);
        let (place, after) = from.split_at_mut(pack.bytes);
        start = pack.offset + pack.bytes;
        rest = after;
        jobs.push((place, pack.fill));
    }
    let jobs = Mutex::new(jobs);
    let take = || jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
    let work = || {
        while let Some((place, fill)) = take() {
            match fill {
                Fill::Floats(fill) => fill(elements_mut(place)),
                Fill::Bytes(fill) => fill(place),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(default_threads()) {
            // If a thread cannot be started, the others do more.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cpu::Vendor;
    use crate::kernels::sink::{ALIGN, Machine, Sink};

    #[test]
    fn bytes_and_values_lie_where_they_were_promised() {
        let target = crate::isa::Isa::Baseline.target();
        let mut sink = Sink::new(Machine::new(target, 2, 1 << 15, Vendor::Other));
        let odd = sink.pack_bytes(5, |out| out.copy_from_slice(&[1, 2, 3, 4, 5]));
        let values = sink.pack(3, |out| out.copy_from_slice(&[0.5, -1.0, 2.0]));
        let last = sink.pack_bytes(1, |out| out[0] = 9);
        assert_eq!([odd, values, last], [0, ALIGN as i64, 2 * ALIGN as i64]);
        let (_, packs, bytes) = sink.finish();
        let memory = fill(packs, bytes, 2).expect("there is memory");
        let mut expected = vec![0; bytes];
        expected[..5].copy_from_slice(&[1, 2, 3, 4, 5]);
        let floats = [0.5f32, -1.0, 2.0].map(f32::to_le_bytes);
        expected[ALIGN..ALIGN + 12].copy_from_slice(floats.as_flattened());
        expected[2 * ALIGN] = 9;
        assert_eq!(memory.bytes(), expected);
    }
}
