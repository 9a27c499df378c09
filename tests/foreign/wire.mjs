// The two encodings of the instruction stream, from the .proto file alone.
//
// Whatever the encoding, frames are handled as canonical proto3 JSON: ids as decimal strings, enums by name, times as text, defaults absent.
import path from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const PROTO_ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../api/proto");
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const DURATION = /^\d+(\.\d{3})?s$/;
const ID = /^[1-9]\d*$/;

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => path.join(PROTO_ROOT, target);
await root.load("faceshare/v1/instruction.proto");
root.resolveAll();
const ServerFrame = root.lookupType("faceshare.v1.ServerFrame");
const ClientFrame = root.lookupType("faceshare.v1.ClientFrame");

const isTime = (type) => type?.fullName === ".google.protobuf.Timestamp";
const isDuration = (type) => type?.fullName === ".google.protobuf.Duration";

/** Applies `change` to every time and duration in a message of this type. */
function mapWellKnown(type, message, change) {
  if (isTime(type) || isDuration(type)) return change(type, message);
  const mapped = {};
  for (const [name, value] of Object.entries(message)) {
    const field = type.fields[name];
    const inner = field?.resolvedType;
    const one = (item) => (inner instanceof protobuf.Type ? mapWellKnown(inner, item, change) : item);
    mapped[name] = field?.repeated ? value.map(one) : one(value);
  }
  return mapped;
}

function toText(type, { seconds = "0", nanos = 0 }) {
  const millis = Math.floor(nanos / 1e6);
  if (isTime(type)) return new Date(Number(seconds) * 1000 + millis).toISOString();
  return millis === 0 ? `${seconds}s` : `${seconds}.${String(millis).padStart(3, "0")}s`;
}

function fromText(type, text) {
  if (!isTime(type)) throw new Error("clients send no durations");
  const millis = Date.parse(text);
  return { seconds: Math.floor(millis / 1000), nanos: (millis % 1000) * 1e6 };
}

/** The deviations of a message of this type from the canonical form. */
export function complaints(type, message, at = type.name) {
  return Object.entries(message).flatMap(([name, value]) => {
    const field = type.fields[name];
    const here = `${at}.${name}`;
    if (!field) return [`${here} is not in the .proto file`];
    if (!field.repeated) return valueComplaints(field, value, here);
    if (!Array.isArray(value) || value.length === 0) return [`${here} is no list, or an empty one that should be absent`];
    return value.flatMap((item, index) => valueComplaints(field, item, `${here}[${index}]`, true));
  });
}

function valueComplaints(field, value, here, mayBeDefault = false) {
  const type = field.resolvedType;
  const fine = (ok) => (ok ? [] : [`${here} is ${JSON.stringify(value)}`]);
  // A member of a oneof is present even with its default value.
  const isDefault = !mayBeDefault && !field.partOf && [0, "0", "", false].includes(value);
  if (isDefault) return [`${here} is a default and should be absent`];
  if (isTime(type)) return fine(TIME.test(value));
  if (isDuration(type)) return fine(DURATION.test(value));
  if (type instanceof protobuf.Enum) return fine(type.values[value] > 0);
  if (type instanceof protobuf.Type) return typeof value === "object" ? complaints(type, value, here) : fine(false);
  switch (field.type) {
    case "uint64": return fine(typeof value === "string" && ID.test(value));
    case "uint32": return fine(Number.isInteger(value) && value >= 0);
    case "double": return fine(typeof value === "number");
    case "bool": return fine(typeof value === "boolean");
    default: return fine(typeof value === "string");
  }
}

/** Decoding and encoding of each subprotocol. `decode` returns the frame and its deviations from the canonical form. */
export const FORMATS = {
  json: {
    subprotocol: "faceshare.v1.json",
    encode: (frame) => JSON.stringify(frame),
    decode(data, binary) {
      const frame = JSON.parse(data.toString());
      return { frame, wrong: [...(binary ? ["a binary frame"] : []), ...complaints(ServerFrame, frame)] };
    },
  },
  proto: {
    subprotocol: "faceshare.v1.proto",
    encode: (frame) => ClientFrame.encode(ClientFrame.fromObject(mapWellKnown(ClientFrame, frame, fromText))).finish(),
    decode(data, binary) {
      const message = ServerFrame.toObject(ServerFrame.decode(data), { longs: String, enums: String, bytes: String });
      const frame = mapWellKnown(ServerFrame, message, toText);
      return { frame, wrong: [...(binary ? [] : ["a text frame"]), ...complaints(ServerFrame, frame)] };
    },
  },
};
