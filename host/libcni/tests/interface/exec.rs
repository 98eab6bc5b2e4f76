//! A caller's own way of running plugins, and how files are executed.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libcni::cni_spec::error::Error as PluginError;
use libcni::{Cni, CniConfig, Error, Exec, ExecError, PluginRun, RawExec};

use crate::lab::{Lab, list, rt};

/// Plugins that are functions.
#[derive(Default)]
struct Functions {
    seen: Mutex<Vec<String>>,
}

impl Exec for Functions {
    fn find_in_path(&self, plugin_type: &str, paths: &[PathBuf]) -> Result<PathBuf, ExecError> {
        if plugin_type == "missing" {
            return Err(ExecError::NotFound { paths: paths.to_vec() });
        }
        Ok(PathBuf::from("/nowhere").join(plugin_type))
    }

    fn exec_plugin(&self, run: &PluginRun<'_>) -> Result<Vec<u8>, ExecError> {
        let command = run.environment.iter().find(|(name, _)| name == "CNI_COMMAND").unwrap().1.to_str().unwrap();
        let PluginRun { plugin_type, path, timeout, .. } = run;
        let seconds = timeout.as_secs();
        self.seen.lock().unwrap().push(format!("{plugin_type} {command} {} {seconds}", path.display()));
        match *plugin_type {
            "bad" => Err(PluginError::new(123, "no").into()),
            _ => Ok(b"{\"cniVersion\":\"1.0.0\"}".to_vec()),
        }
    }
}

#[test]
fn a_callers_own_way_of_running_plugins_is_used_for_everything() {
    let lab = Lab::new(&[]);
    let functions = Arc::new(Functions::default());
    let cni = CniConfig::new(vec!["/x".into()]).with_cache_dir(lab.path("cache")).with_exec(functions.clone());
    cni.add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap();
    let error = cni.add_network_list(&list("1.0.0", &["bad"]), &rt("two")).unwrap_err();
    let Error::CleanupFailed { cause, cleanup } = &error else { panic!("{error}") };
    assert_eq!((cause.plugin_error().unwrap().code, cleanup.len()), (123, 1));
    let error = cni.add_network_list(&list("1.0.0", &["missing"]), &rt("three")).unwrap_err();
    assert!(error.to_string().contains("/x"), "{error}");
    let seen = functions.seen.lock().unwrap().clone();
    assert_eq!(seen, ["a ADD /nowhere/a 120", "bad ADD /nowhere/bad 120", "bad DEL /nowhere/bad 120"]);
}

/// A sink that can be read.
#[derive(Clone, Default)]
struct Words(Arc<Mutex<Vec<u8>>>);

impl Write for Words {
    fn write(&mut self, words: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(words);
        Ok(words.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_plugins_print_on_standard_error_is_forwarded_also_when_they_fail() {
    let lab = Lab::new(&["a", "b"]);
    lab.answer("a", "STATUS", "echo from a >&2");
    lab.answer("b", "STATUS", "echo from b >&2; echo '{\"code\":50,\"msg\":\"no\"}'; exit 1");
    let words = Words::default();
    let cni = lab.cni().with_exec(Arc::new(RawExec::new().with_stderr(words.clone())));
    let error = cni.get_status_network_list(&list("1.1.0", &["a", "b"])).unwrap_err();
    assert_eq!(error.plugin_error().unwrap().code, 50);
    assert_eq!(String::from_utf8(words.0.lock().unwrap().clone()).unwrap(), "from a\nfrom b\n");
}

#[test]
fn the_first_directory_that_has_an_executable_file_wins() {
    let lab = Lab::new(&["a"]);
    let other = lab.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("a"), "not executable").unwrap();
    let cni = CniConfig::new(vec![lab.path("missing"), other, lab.path("bin")]).with_cache_dir(lab.path("cache"));
    cni.get_version_info("a").unwrap();
    assert_eq!(lab.ran(), ["a VERSION"]);
}

#[test]
fn a_file_that_cannot_be_started_is_named() {
    let lab = Lab::new(&["a"]);
    std::fs::write(lab.path("text"), "\x7fELF no program").unwrap();
    std::fs::set_permissions(lab.path("text"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(lab.path("text"), lab.path("bin/b")).unwrap();
    let error = lab.cni().add_network_list(&list("1.0.0", &["a", "b"]), &rt("one")).unwrap_err();
    let Error::Plugin { plugin_type, source: ExecError::Start { path, .. }, .. } = &error else { panic!("{error:?}") };
    assert_eq!((plugin_type.as_str(), path), ("b", &lab.path("bin/b")));
    assert_eq!(lab.ran(), ["a ADD", "a DEL"]);
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_file_that_is_being_written_is_an_error_and_no_empty_success() {
    let lab = Lab::new(&["a"]);
    let held = std::fs::OpenOptions::new().append(true).open(lab.path("recorder")).unwrap();
    let error = lab.cni().add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::Plugin { source: ExecError::Busy { .. }, .. }), "{error}");
    drop(held);
    assert_eq!((lab.ran().len(), lab.remembered()), (0, 0));
    lab.cni().with_timeout(Duration::from_secs(60)).add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap();
}
