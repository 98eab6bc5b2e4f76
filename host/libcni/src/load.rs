//! Configurations out of texts, files and directories.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cni_spec::json;
use cni_spec::names;
use serde::Deserialize;

use crate::config::{ConfigError, NetworkConfigList, PluginConfig, conf_list_from_conf};
use crate::json::{Member, ObjectWriter, elements, object};
use crate::versions;

/// The extension of lists.
const LISTS: [&str; 1] = ["conflist"];
/// The extensions of configurations of one plugin, and of plugins in a network's folder the first.
const SINGLES: [&str; 2] = ["conf", "json"];
/// All of them.
const ALL: [&str; 3] = ["conf", "conflist", "json"];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    name: String,
    disable_check: bool,
    #[serde(rename = "disableGC")]
    disable_gc: bool,
    load_only_inlined_plugins: bool,
}

/// Read a list of plugins. It may have none yet: they can be in files of the network's folder, which
/// [`network_conf_from_file`] looks at.
///
/// ```
/// let list = libcni::network_conf_from_bytes(
///     br#"{"cniVersion": "1.1.0", "name": "blue", "plugins": [{"type": "bridge"}, {"type": "portmap"}]}"#,
/// )?;
/// assert_eq!(list.name, "blue");
/// assert_eq!(list.plugins[1].plugin_type(), "portmap");
/// # Ok::<(), libcni::ConfigError>(())
/// ```
///
/// # Errors
/// What is wrong with it.
pub fn network_conf_from_bytes(text: &[u8]) -> Result<NetworkConfigList, ConfigError> {
    let (value, members) = object(text)?;
    let fields: Fields = json::from_value(&value)?;
    if fields.name.is_empty() {
        return Err(ConfigError::NoName);
    }
    names::network_name(&fields.name)?;
    let cni_version = versions::negotiate(&value).map_err(ConfigError::Version)?;
    let written = written_plugins(&members)?;
    if fields.load_only_inlined_plugins && written.is_empty() {
        return Err(ConfigError::NoPlugins { name: fields.name });
    }
    let plugins = written.iter().enumerate().map(|(index, plugin)| {
        PluginConfig::parse(plugin.as_bytes()).map_err(|error| match error {
            ConfigError::Decode(mut error) => {
                let dot = if error.path.is_empty() { "" } else { "." };
                error.path = format!("plugins[{index}]{dot}{}", error.path);
                ConfigError::Decode(error)
            }
            other => other,
        })
    });
    Ok(NetworkConfigList {
        plugins: plugins.collect::<Result<_, _>>()?,
        name: fields.name,
        cni_version,
        disable_check: fields.disable_check,
        disable_gc: fields.disable_gc,
        load_only_inlined_plugins: fields.load_only_inlined_plugins,
        bytes: text.to_owned(),
    })
}

/// Read the configuration of an attachment out of the cache: a list, or that of one plugin, which becomes a list of one.
///
/// # Errors
/// What is wrong with it.
pub fn network_conf_from_cache(config: &[u8]) -> Result<NetworkConfigList, ConfigError> {
    let list = network_conf_from_bytes(config)?;
    if list.plugins.is_empty() { conf_list_from_conf(&PluginConfig::parse(config)?) } else { Ok(list) }
}

/// The elements of `plugins` as they are written; of entries that are written twice the last, the exact spelling first.
fn written_plugins<'a>(members: &[Member<'a>]) -> Result<Vec<&'a str>, ConfigError> {
    let exact = members.iter().rev().find(|member| member.key == "\"plugins\"");
    let spelled = exact.or_else(|| members.iter().rev().find(|member| member.is("plugins")));
    let Some(plugins) = spelled.filter(|member| member.value != "null") else { return Ok(Vec::new()) };
    if !plugins.value.starts_with('[') {
        let message = "expected a list of plugins".to_owned();
        return Err(ConfigError::Decode(json::DecodeError { path: "plugins".to_owned(), message }));
    }
    Ok(elements(plugins.value))
}

/// Read a list from a file, and unless it says `loadOnlyInlinedPlugins` its further plugins from the folder of the
/// network's name beside the file.
///
/// # Errors
/// The file cannot be read, is wrong, or has no plugin in either place.
pub fn network_conf_from_file(path: &Path) -> Result<NetworkConfigList, ConfigError> {
    let inner = || {
        let mut list = network_conf_from_bytes(&read(path)?)?;
        if !list.load_only_inlined_plugins {
            let directory = path.parent().unwrap_or(Path::new(""));
            let further = network_plugin_confs_from_files(directory, &list.name)?;
            append(&mut list, further)?;
        }
        if list.plugins.is_empty() { Err(ConfigError::NoPlugins { name: list.name }) } else { Ok(list) }
    };
    inner().map_err(|error| of_file(path, error))
}

/// Plugins of the network's folder become part of the list, and of its text.
fn append(list: &mut NetworkConfigList, further: Vec<PluginConfig>) -> Result<(), ConfigError> {
    if further.is_empty() {
        return Ok(());
    }
    list.plugins.extend(further);
    let (_, members) = object(&list.bytes)?;
    let mut text = ObjectWriter::new();
    members.iter().filter(|member| !member.is("plugins")).for_each(|member| text.copy(member));
    let plugins: Vec<_> = list.plugins.iter().map(|plugin| String::from_utf8_lossy(plugin.bytes())).collect();
    text.written("plugins", &format!("[{}]", plugins.join(",")));
    list.bytes = text.finish();
    Ok(())
}

/// Read the configuration of one plugin, that of a list or one that stands alone.
///
/// # Errors
/// It is no JSON object, or has no valid `type`.
pub fn network_plugin_conf_from_bytes(text: &[u8]) -> Result<PluginConfig, ConfigError> {
    PluginConfig::parse(text)
}

/// Read the configuration of one plugin from a file.
///
/// # Errors
/// The file cannot be read or is wrong.
pub fn network_plugin_conf_from_file(path: &Path) -> Result<PluginConfig, ConfigError> {
    read(path).and_then(|text| PluginConfig::parse(&text)).map_err(|error| of_file(path, error))
}

/// The plugins in `<dir>/<network>/*.conf`, in lexical order. No folder: none.
///
/// # Errors
/// One of the files cannot be read or is wrong, or the name is no network's.
pub fn network_plugin_confs_from_files(dir: &Path, network: &str) -> Result<Vec<PluginConfig>, ConfigError> {
    names::network_name(network)?;
    let files = conf_files(&dir.join(network), &SINGLES[..1])?;
    files.iter().map(|path| network_plugin_conf_from_file(path)).collect()
}

/// The files of a directory with one of the extensions, in lexical order. No directory: none.
///
/// # Errors
/// The directory cannot be read.
pub fn conf_files(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Read { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let has_extension = path.extension().and_then(OsStr::to_str).is_some_and(|found| extensions.contains(&found));
        if has_extension && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A file of a directory of configurations, and the network in it.
#[derive(Debug)]
pub struct NetworkFile {
    /// The file.
    pub path: PathBuf,
    /// Its network, or what is wrong with it.
    pub network: Result<NetworkConfigList, ConfigError>,
}

/// Every network of a directory: its `.conf`, `.conflist` and `.json` files in lexical order. Runtimes that have one
/// network for all containers take the first. A file that is wrong hides no other.
///
/// # Errors
/// [`ConfigError::NoConfigsFound`], or the directory cannot be read.
pub fn network_confs(dir: &Path) -> Result<Vec<NetworkFile>, ConfigError> {
    let files = conf_files(dir, &ALL)?;
    if files.is_empty() {
        return Err(ConfigError::NoConfigsFound { dir: dir.to_owned() });
    }
    Ok(files.into_iter().map(|path| NetworkFile { network: network_of(&path), path }).collect())
}

fn network_of(path: &Path) -> Result<NetworkConfigList, ConfigError> {
    let is_list = path.extension().and_then(OsStr::to_str).is_some_and(|extension| LISTS.contains(&extension));
    if is_list {
        return network_conf_from_file(path);
    }
    let conf = network_plugin_conf_from_file(path)?;
    conf_list_from_conf(&conf).map_err(|error| of_file(path, error))
}

/// Find a network by its name in a directory: first in the lists (`.conflist`), then in the configurations of one
/// plugin (`.conf`, `.json`), which become lists of one; each in lexical order.
///
/// # Errors
/// [`ConfigError::NoConfigsFound`] where there are no files at all, [`ConfigError::NotFound`] where no file has the
/// network. Where a file could not be read, so that it is unknown whether it has the network, the error is that of
/// this file: it does not hide the networks of other files.
pub fn load_network_conf(dir: &Path, name: &str) -> Result<NetworkConfigList, ConfigError> {
    let mut files = conf_files(dir, &LISTS)?;
    files.extend(conf_files(dir, &SINGLES)?);
    if files.is_empty() {
        return Err(ConfigError::NoConfigsFound { dir: dir.to_owned() });
    }
    let mut unusable = None;
    for path in files {
        match network_of(&path) {
            Ok(list) if list.name == name => return Ok(list),
            Ok(_) => {}
            Err(error) => {
                // A file that is another network's, whatever is wrong with it, says nothing about this one.
                if name_of(&path).is_none_or(|other| other == name) {
                    unusable.get_or_insert(error);
                }
            }
        }
    }
    Err(unusable.unwrap_or_else(|| ConfigError::NotFound { dir: dir.to_owned(), name: name.to_owned() }))
}

/// The name that a file gives its network, where as much of it can be read.
fn name_of(path: &Path) -> Option<String> {
    let fields: Name = json::from_slice(&fs::read(path).ok()?).ok()?;
    fields.name
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Name {
    name: Option<String>,
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// Errors of reading name the file already.
fn of_file(path: &Path, error: ConfigError) -> ConfigError {
    match error {
        named @ (ConfigError::Read { .. } | ConfigError::File { .. }) => named,
        other => ConfigError::File { path: path.to_owned(), source: Box::new(other) },
    }
}
