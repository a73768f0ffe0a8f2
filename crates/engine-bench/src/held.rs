//! What the kernel says a process has.

use std::fs;
use std::path::PathBuf;

/// What a process has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held {
    /// Memory that is resident, in MiB.
    pub(crate) mib: f64,
    /// The most that it ever was.
    pub(crate) peak_mib: f64,
    /// What of it is no page of a file: neither the program's own, nor a model's that is mapped. It cannot be read again.
    pub(crate) anonymous_mib: f64,
    pub(crate) threads: usize,
    pub(crate) files: usize,
}

impl Held {
    /// # Errors
    /// The process has ended or is somebody else's, or this system has no `/proc`.
    pub(crate) fn of(process: u32) -> Result<Self, String> {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = fs::read_to_string(folder.join("status"))
            .map_err(|error| format!("{}: {error}; this needs Linux, and a server that runs", folder.display()))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
            number.ok_or_else(|| format!("the server has ended: no {name} in {}", folder.display()))
        };
        let files = fs::read_dir(folder.join("fd")).map_err(|error| format!("{}: {error}", folder.display()))?.count();
        let threads = usize::try_from(number("Threads")?).map_err(|error| error.to_string())?;
        let mib = |name: &str| Ok::<_, String>(f64::from(number(name)?) / 1024.0);
        let (peak_mib, anonymous_mib) = (mib("VmHWM")?, mib("RssAnon")?);
        Ok(Self { mib: mib("VmRSS")?, peak_mib, anonymous_mib, threads, files })
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_told_of_and_one_that_is_not_there_is_named() {
        let own = Held::of(std::process::id()).expect("this one runs");
        assert!(
            own.mib > 0.0 && own.peak_mib >= own.mib && own.anonymous_mib < own.mib && own.threads > 0 && own.files > 2,
            "{own:?}"
        );
        assert!(Held::of(u32::MAX).is_err_and(|error| error.contains("/proc/4294967295")));
    }
}
