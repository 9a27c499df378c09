//! Generates the wire types from the `.proto` files without `protoc`: protox compiles them, prost
//! generates the messages, pbjson their JSON encoding.

use std::path::{Path, PathBuf};

const PROTOS: [&str; 2] = [
    "proto/faceshare/v1/event.proto",
    "proto/faceshare/v1/instruction.proto",
];
const INCLUDES: [&str; 1] = ["proto"];

/// Well-known types are our own: the stock ones write times in a form that parsers on phones
/// refuse.
const OWN_TYPES: [(&str, &str); 2] = [
    (".google.protobuf.Timestamp", "crate::wellknown::Timestamp"),
    (".google.protobuf.Duration", "crate::wellknown::Duration"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(PROTOS, INCLUDES)?;
    let encoded = prost::Message::encode_to_vec(&descriptors);
    std::fs::write(out.join("descriptors.bin"), &encoded)?;
    write_messages(descriptors)?;
    write_json(&encoded, &out)
}

fn write_messages(descriptors: prost_types::FileDescriptorSet) -> std::io::Result<()> {
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    config.btree_map(["."]);
    for (proto, rust) in OWN_TYPES {
        config.extern_path(proto, rust);
    }
    config.compile_fds(descriptors)
}

fn write_json(encoded: &[u8], out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = pbjson_build::Builder::new();
    builder
        .register_descriptors(encoded)?
        .ignore_unknown_fields()
        .out_dir(out);
    for (proto, rust) in OWN_TYPES {
        builder.extern_path(proto, rust);
    }
    builder.build(&[".faceshare"])?;
    Ok(())
}
