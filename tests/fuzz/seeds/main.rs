//! Writes the committed corpus of frames and stories from which fuzzing starts: `scripts/fuzz
//! --seeds`.
//!
//! `corpus/` also holds inputs that once found a fault, with names that say which; this program
//! does not write them.

mod frames;
mod stories;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    write(&corpus.join("frame_json"), &frames::json())?;
    write(&corpus.join("frame_proto"), &frames::proto())?;
    write(&corpus.join("step"), &stories::all())
}

fn write(folder: &Path, seeds: &[(String, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds
        .iter()
        .try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}
