//! The file of a compiled network: its plan, its code, and which weights it needs.
//!
//! | bytes | |
//! |---|---|
//! | 16 | [`MAGIC`] |
//! | 32 | digest of everything that follows |
//! | 8 + n | the length of [`About`] (little-endian), and [`About`] as JSON |
//! | 8 + n | the same for [`Body`] |
//! | the rest | machine code |

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use resnetc_ir::{DType, TensorType};
use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::folder::{Folder, Refused};
use super::functions::Functions;
use super::key::{Key, version};
use super::names::Kind;
use super::segments::Stored;
use crate::compile::Artifact;
use crate::kernels::geometry::{Geometry, Place};
use crate::kernels::sink::ARENA;
use crate::one_line::{one_line, path_line};
use crate::report::compilation::CompileReport;
use crate::runtime::compiled::StepInfo;
use crate::runtime::fpenv::Denormals;
use crate::runtime::model::Port;
use crate::runtime::weights::Segment;

const MAGIC: &[u8; 16] = b"resnetc network\n";

/// Plan and code of a network of ten thousand layers take less.
const MOST_BYTES: u64 = 1 << 30;

/// A network as its file has it.
pub(super) struct Entry {
    about: About,
    body: Body,
    code: Vec<u8>,
}

/// What can be said of a network without loading it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// The compiler that wrote it.
    pub(super) version: String,
    key: String,
    /// What users call it.
    pub(super) label: String,
    pub(super) isa: String,
    pub(super) threads: usize,
    pub(super) inputs: Vec<StoredPort>,
    outputs: Vec<StoredPort>,
    pub(super) segments: Vec<Stored>,
}

/// An input or output. Its elements are in row-major order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPort {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The declared type.
    dtype: String,
    /// The type in the arena.
    element: String,
    offset: i64,
}

/// What is needed to run it, besides code and weights.
#[derive(Serialize, Deserialize)]
struct Body {
    functions: Functions,
    steps: Vec<StepInfo>,
    denormals: Denormals,
    report: CompileReport,
}

/// Why a network cannot be had from the folder.
pub(super) enum Unusable {
    Missing,
    Because(String),
}

impl Entry {
    /// The entry of a network whose weights are all in files.
    pub(super) fn of(key: &Key, contents: &Contents, artifact: &Artifact) -> Result<Self, String> {
        let (functions, code) = Functions::of(&artifact.image)?;
        let stored = artifact.weights.iter().map(|segment| Stored::of(segment));
        let about = About {
            version: key.version.clone(),
            key: key.digest(),
            label: contents.label.clone(),
            isa: artifact.image.isa.name().to_owned(),
            threads: artifact.threads,
            inputs: artifact.inputs.iter().map(StoredPort::of).collect(),
            outputs: artifact.outputs.iter().map(StoredPort::of).collect(),
            segments: stored.collect::<Option<_>>().ok_or("its weights are in no file")?,
        };
        let (steps, report) = (artifact.steps.clone(), artifact.report.clone());
        let body = Body { functions, steps, denormals: artifact.denormals, report };
        Ok(Entry { about, body, code })
    }

    /// Its file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0; blake3::OUT_LEN]);
        let parts = [serde_json::to_vec(&self.about), serde_json::to_vec(&self.body)];
        for part in parts {
            let part = part.map_err(|e| e.to_string())?;
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes.extend(&self.code);
        let (head, rest) = bytes.split_at_mut(MAGIC.len() + blake3::OUT_LEN);
        head[MAGIC.len()..].copy_from_slice(blake3::hash(rest).as_bytes());
        Ok(bytes)
    }
}

/// The parts of a file, which is whole.
struct Parts<'a> {
    about: &'a [u8],
    body: &'a [u8],
    code: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a compiled network")?;
        let (digest, rest) = rest.split_first_chunk().ok_or("it is too short")?;
        if blake3::hash(rest) != blake3::Hash::from_bytes(*digest) {
            return Err("it is damaged: its digest differs");
        }
        let part = |bytes: &'a [u8]| {
            let (len, rest) = bytes.split_first_chunk()?;
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
        };
        let parts = || {
            let (about, rest) = part(rest)?;
            let (body, code) = part(rest)?;
            Some(Parts { about, body, code })
        };
        parts().ok_or("it is damaged: a length is too large")
    }

    fn about(&self) -> Result<About, String> {
        serde_json::from_slice(self.about).map_err(|e| format!("it cannot be read: {e}"))
    }
}

/// Reads the network of a key, and maps its weights.
pub(super) fn read(folder: &Folder, key: &Key) -> Result<Artifact, Unusable> {
    let name = key.file_name();
    let bytes = folder.read(&name, MOST_BYTES).map_err(|refused| match refused {
        Refused::Missing => Unusable::Missing,
        Refused::Because(reason) => Unusable::Because(reason),
    })?;
    decode(folder, key, &bytes).map_err(|reason| {
        let file = path_line(folder.path(&name));
        Unusable::Because(format!("{file}: {}", one_line(&reason, 400)))
    })
}

fn decode(folder: &Folder, key: &Key, bytes: &[u8]) -> Result<Artifact, String> {
    let parts = Parts::of(bytes)?;
    let about = parts.about()?;
    if about.version != key.version {
        return Err(format!("it was compiled by version {}", about.version));
    }
    if about.key != key.digest() {
        return Err("it is another network".to_owned());
    }
    let body: Body = serde_json::from_slice(parts.body).map_err(|e| e.to_string())?;
    let ports = |ports: Vec<StoredPort>| {
        let ports = ports.into_iter().map(|port| port.port(body.report.arena_bytes));
        ports.collect::<Option<Vec<_>>>().ok_or("an input or output is outside of the arena")
    };
    let open = |stored: &Stored| stored.open(folder);
    let weights = about.segments.iter().map(open).collect::<Result<_, _>>()?;
    let image = body.functions.image(parts.code).ok_or("its code is not that of its functions")?;
    if image.regions.len() != body.steps.len() {
        return Err("its code has other steps".to_owned());
    }
    Ok(Artifact {
        inputs: ports(about.inputs)?,
        outputs: ports(about.outputs)?,
        image,
        weights,
        steps: body.steps,
        threads: about.threads,
        denormals: body.denormals,
        report: body.report,
    })
}

/// A file and its network; an error says why it is not one.
pub(super) type Known = (String, Result<About, String>);

/// All networks of a folder.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn all(folder: &Folder) -> Result<Vec<Known>, String> {
    let about = |name: &str| {
        let bytes = folder.read(name, MOST_BYTES).map_err(|refused| match refused {
            Refused::Missing => "it is gone".to_owned(),
            Refused::Because(reason) => reason,
        })?;
        Parts::of(&bytes)?.about()
    };
    let names = folder.names(Kind::Network)?.into_iter();
    Ok(names.map(|name| (name.clone(), about(&name))).collect())
}

/// For how long weights that no network uses are kept: another process may be about to write the
/// network.
const UNUSED: Duration = Duration::from_secs(600);

/// Removes the files of weights that no network of a folder uses, and what killed processes left.
/// What cannot be read or removed stays.
pub(super) fn remove_unused(folder: &Folder) {
    let (Ok(all), Ok(weights)) = (all(folder), folder.names(Kind::Weights)) else { return };
    let known = all.into_iter().filter_map(|(_, about)| about.ok());
    let used: HashSet<String> =
        known.flat_map(|about| about.segments).map(|stored| stored.file).collect();
    for name in weights.iter().filter(|&name| !used.contains(name)) {
        if folder.age(name).is_some_and(|age| age > UNUSED) {
            let _ = folder.remove(name);
        }
    }
    for name in folder.abandoned() {
        let _ = folder.remove(&name);
    }
}

/// How many networks of the same contents are looked at for weights to share.
const MOST_RELATED: usize = 16;

/// The weights of other networks with the same contents, compiled by the same version.
pub(super) fn related(folder: &Folder, key: &Key) -> Vec<Arc<Segment>> {
    let names = folder.names(Kind::Network).unwrap_or_default().into_iter();
    let family = names.filter(|name| name.starts_with(&key.family())).take(MOST_RELATED);
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    for name in family {
        let Ok(bytes) = folder.read(&name, MOST_BYTES) else { continue };
        let Ok(about) = Parts::of(&bytes).map_err(str::to_owned).and_then(|parts| parts.about())
        else {
            continue;
        };
        if about.version != version() {
            continue;
        }
        for stored in &about.segments {
            let is_known = segments.iter().any(|known| known.file() == Some(&stored.file));
            if !is_known && let Ok(segment) = stored.open(folder) {
                segments.push(segment);
            }
        }
    }
    segments
}

impl StoredPort {
    fn of(port: &Port) -> Self {
        StoredPort {
            name: port.name.clone(),
            shape: port.shape.clone(),
            dtype: port.dtype.name().to_owned(),
            element: port.element().name().to_owned(),
            offset: port.place.offset,
        }
    }

    /// The port, if it is inside an arena of that many bytes.
    fn port(self, arena_bytes: usize) -> Option<Port> {
        let ty = TensorType::of(DType::by_name(&self.element)?, self.shape.clone());
        let geometry = Geometry::new(ty);
        let end = usize::try_from(self.offset).ok()?.checked_add(geometry.bytes())?;
        let place = Place { base: ARENA, offset: self.offset, geometry };
        let dtype = DType::by_name(&self.dtype)?;
        (end <= arena_bytes).then_some(Port { name: self.name, shape: self.shape, dtype, place })
    }
}
