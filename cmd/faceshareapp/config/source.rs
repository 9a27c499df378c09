//! The sources of values: a file and the environment. Each is one layer; the environment overrides
//! the file.
//!
//! A layer is checked against the known keys before it is merged, so that a mistyped key is named
//! with its path, or with the variable that set it, and never silently ignored.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::{later, problem::Problems};

/// Environment variables that configure the server start with this.
pub(super) const ENV_PREFIX: &str = "FACESHARE__";

/// The prefix of variables that could be meant for the server.
const ENV_NAME: &str = "FACESHARE_";
/// What follows [`ENV_NAME`] in variables that are not meant for the server: Kubernetes sets two
/// kinds for a service called "faceshare", and facesharectl reads two.
const NOT_SETTINGS: [&str; 4] = ["SERVICE_", "PORT", "SERVER", "NICKNAME"];

/// Prefix of the origin of a value that came from the environment; the variable's name follows.
const ENV_ORIGIN: &str = "environment variable ";

/// A file that cannot be read or parsed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It is missing, or the process may not read it.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its extension is not one of the known formats.
    #[error("cannot tell the format of {}: its name must end in .toml, .yaml, .yml or .json", .0.display())]
    UnknownFormat(PathBuf),
    /// It does not parse. The message leaves out the offending line, which may hold a secret.
    #[error("{} does not parse: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

/// The keys that exist, by their full paths.
pub(super) struct KnownKeys(BTreeSet<String>);

impl KnownKeys {
    pub(super) fn new(paths: impl IntoIterator<Item = String>) -> Self {
        Self(paths.into_iter().collect())
    }

    fn has_key(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    fn has_section(&self, name: &str) -> bool {
        self.0.iter().any(|path| {
            path.split_once('.')
                .is_some_and(|(section, _)| section == name)
        })
    }

    /// The key that has these words, with any separators.
    fn by_words(&self, wanted: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|path| words(path) == wanted)
            .map(String::as_str)
    }

    /// The message that `path` is not a key. It lists the keys of its section, or the sections.
    fn refusal(&self, path: &str) -> String {
        if let Some(feature) = later::feature_of(path) {
            return format!("{feature} is not in this version; remove the key");
        }
        let section = path.split_once('.').map_or("", |(section, _)| section);
        let allowed: BTreeSet<&str> = if self.has_section(section) {
            self.0
                .iter()
                .filter_map(|known| known.strip_prefix(section)?.strip_prefix('.'))
                .collect()
        } else {
            self.0
                .iter()
                .map(|known| {
                    known
                        .split_once('.')
                        .map_or(known.as_str(), |(section, _)| section)
                })
                .collect()
        };
        let allowed: Vec<_> = allowed.into_iter().collect();
        format!("unknown key; allowed here: {}", allowed.join(", "))
    }
}

/// One source of values whose keys are all known.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Merges `layers`, the later over the earlier, into one table.
pub(super) fn merge(
    layers: impl IntoIterator<Item = Layer>,
) -> Result<Map<String, Value>, config::ConfigError> {
    layers
        .into_iter()
        .fold(config::Config::builder(), |builder, layer| {
            builder.add_source(layer)
        })
        .build()?
        .collect()
}

/// Reads the file at `path` in the format that its extension names.
pub(super) fn read_file(
    path: &Path,
    known: &KnownKeys,
    problems: &mut Problems,
) -> Result<Layer, FileError> {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        Some("json") => FileFormat::Json,
        _ => return Err(FileError::UnknownFormat(path.to_owned())),
    };
    let text = fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let table = File::from_str(&text, format)
        .collect()
        .map_err(|error| FileError::Malformed {
            path: path.to_owned(),
            message: without_excerpt(&error.to_string()),
        })?;
    Ok(file_layer(
        table,
        &path.display().to_string(),
        known,
        problems,
    ))
}

/// Drops the lines with which a parser quotes its input (`3 | keys = …`).
fn without_excerpt(message: &str) -> String {
    let quotes = |line: &str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
            .starts_with('|')
    };
    let kept: Vec<_> = message
        .lines()
        .filter(|line| !quotes(line))
        .map(str::trim)
        .collect();
    kept.join(" ")
}

fn file_layer(
    table: Map<String, Value>,
    origin: &str,
    known: &KnownKeys,
    problems: &mut Problems,
) -> Layer {
    let mut layer = Map::new();
    for (name, value) in table {
        match value.kind {
            ValueKind::Table(section) if known.has_section(&name) => {
                let kept = known_part(&name, section, origin, known, problems);
                layer.insert(name, Value::new(None, ValueKind::Table(kept)));
            }
            // YAML reads a section whose keys are all commented out as null.
            ValueKind::Nil if known.has_section(&name) => {}
            // A quoted key with a dot in it must not be taken for a path.
            kind if known.has_key(&name) && !name.contains('.') => {
                layer.insert(name, Value::new(Some(&origin.to_owned()), kind));
            }
            ValueKind::Table(section) if later::feature_of(&name).is_some() => {
                for key in section.into_keys() {
                    let path = format!("{name}.{key}");
                    problems.push(&path, format!("{} ({origin})", known.refusal(&path)));
                }
            }
            _ if known.has_section(&name) => {
                problems.push(
                    &name,
                    format!("a section with keys of its own is expected here ({origin})"),
                );
            }
            _ => problems.push(&name, format!("{} ({origin})", known.refusal(&name))),
        }
    }
    Layer(layer)
}

fn known_part(
    section: &str,
    keys: Map<String, Value>,
    origin: &str,
    known: &KnownKeys,
    problems: &mut Problems,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in keys {
        let path = format!("{section}.{key}");
        if known.has_key(&path) && !key.contains('.') {
            kept.insert(key, Value::new(Some(&origin.to_owned()), value.kind));
        } else {
            problems.push(&path, format!("{} ({origin})", known.refusal(&path)));
        }
    }
    kept
}

/// Picks the server's variables out of an environment. Their values stay strings; each key parses
/// its own.
pub(super) fn read_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    known: &KnownKeys,
    problems: &mut Problems,
) -> Layer {
    let mut layer: Map<String, Value> = Map::new();
    for (variable, value) in variables {
        let variable = variable.to_string_lossy().into_owned();
        let Some(name) = variable.strip_prefix(ENV_PREFIX) else {
            continue;
        };
        let path = name.to_lowercase().replace("__", ".");
        let origin = format!("{ENV_ORIGIN}{variable}");
        if !known.has_key(&path) {
            let meant = known.by_words(&words(&path));
            let hint = meant
                .map(|key| format!("; {key} is set by {}", variable_of(key)))
                .unwrap_or_default();
            problems.push(&path, format!("{}{hint} ({origin})", known.refusal(&path)));
            continue;
        }
        let Ok(value) = value.into_string() else {
            problems.push(&path, format!("is not UTF-8 ({origin})"));
            continue;
        };
        let value = Value::new(Some(&origin), value);
        match path.split_once('.') {
            None => {
                layer.insert(path, value);
            }
            Some((section, key)) => {
                let entry = layer
                    .entry(section.to_owned())
                    .or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
                if let ValueKind::Table(keys) = &mut entry.kind {
                    keys.insert(key.to_owned(), value);
                }
            }
        }
    }
    Layer(layer)
}

/// A sentence for each variable that looks like a setting of the server but is not read.
pub(super) fn misspelt_variables<'n>(
    names: impl Iterator<Item = &'n OsString>,
    known: &KnownKeys,
) -> Vec<String> {
    let sentence = |name: &OsString| {
        let name = name.to_string_lossy();
        let upper = name.to_ascii_uppercase();
        let rest = upper.strip_prefix(ENV_NAME)?;
        if name.starts_with(ENV_PREFIX)
            || NOT_SETTINGS.iter().any(|prefix| rest.starts_with(prefix))
        {
            return None;
        }
        Some(match known.by_words(&words(rest)) {
            Some(key) => format!(
                "the environment variable {name} is not read; {key} is set by {}",
                variable_of(key)
            ),
            None => format!(
                "the environment variable {name} is not read; those that are begin with {ENV_PREFIX}"
            ),
        })
    };
    names.filter_map(sentence).collect()
}

/// The variable that sets `key`.
fn variable_of(key: &str) -> String {
    format!(
        "{ENV_PREFIX}{}",
        key.replace('.', "__").to_ascii_uppercase()
    )
}

/// The name in lower case without separators.
fn words(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether an environment variable set `value`. Such values are always strings.
pub(super) fn is_from_environment(value: &Value) -> bool {
    value
        .origin()
        .is_some_and(|origin| origin.starts_with(ENV_ORIGIN))
}
