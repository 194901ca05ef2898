//! A run allocates nothing. Alone in its process and without the test harness, since it counts
//! every allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use resnetc::{Compiler, Options};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is forwarded to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/resnet_basic_b/model.onnx");
    let compiler = Compiler::new(Options::default().threads(2));
    let model = compiler.load(file).expect("fixture").compile().expect("compiles");
    let mut cx = model.context().expect("memory");
    // Once with threads awake and once asleep, since a thread may set up state on its first run.
    for _ in 0..2 {
        model.run(&mut cx).expect("its own context");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..10 {
        model.run(&mut cx).expect("its own context");
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
    println!("a run allocates nothing: ok");
}
