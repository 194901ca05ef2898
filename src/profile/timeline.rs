//! One run as a timeline, in the JSON form of Chrome's trace events (Google, "Trace Event Format"),
//! which Perfetto and chrome://tracing open: a track per thread, a slice per step.

use std::time::Duration;

use serde::Serialize;

use crate::runtime::model::{Model, StepInfo};
use crate::runtime::trace::{RunTrace, ThreadTrace};

/// The whole file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    display_time_unit: &'static str,
    trace_events: Vec<Event>,
}

/// One event. Times are microseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "ph")]
enum Event {
    /// Names a track.
    #[serde(rename = "M")]
    Name { name: &'static str, pid: u32, tid: usize, args: Track },
    /// A slice.
    #[serde(rename = "X")]
    Slice { name: String, cat: String, pid: u32, tid: usize, ts: f64, dur: f64, args: Detail },
}

#[derive(Clone, Debug, Serialize)]
struct Track {
    name: String,
}

#[derive(Clone, Debug, Serialize)]
struct Detail {
    kernel: String,
    algorithm: String,
    op: &'static str,
    macs: u64,
    bytes: u64,
    chunks: u64,
    chunks_of_all_threads: u64,
    busy_us: f64,
}

/// All tracks belong to one process, whose number does not matter.
const PROCESS: u32 = 1;

impl Timeline {
    /// The timeline of a run of a model.
    pub fn of(model: &Model, trace: &RunTrace) -> Self {
        let threads = trace.steps.iter().map(|step| step.threads.len()).max().unwrap_or(0);
        let mut trace_events: Vec<Event> = (0..threads).map(track).collect();
        for (info, step) in model.steps().iter().zip(&trace.steps) {
            let worked = step.threads.iter().enumerate().filter(|(_, part)| part.chunks > 0);
            trace_events.extend(worked.map(|(thread, part)| slice(info, thread, part)));
        }
        Timeline { display_time_unit: "ms", trace_events }
    }
}

fn track(thread: usize) -> Event {
    let name = if thread == 0 { "caller".to_owned() } else { format!("worker {thread}") };
    Event::Name { name: "thread_name", pid: PROCESS, tid: thread, args: Track { name } }
}

fn slice(info: &StepInfo, thread: usize, part: &ThreadTrace) -> Event {
    Event::Slice {
        name: if info.name.is_empty() { info.kernel.clone() } else { info.name.clone() },
        cat: info.class.clone(),
        pid: PROCESS,
        tid: thread,
        ts: microseconds(part.start),
        dur: microseconds(part.end - part.start),
        args: Detail {
            kernel: info.kernel.clone(),
            algorithm: info.algorithm.to_string(),
            op: info.op,
            macs: info.macs,
            bytes: info.bytes,
            chunks: part.chunks,
            chunks_of_all_threads: info.chunks,
            busy_us: microseconds(part.busy),
        },
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
