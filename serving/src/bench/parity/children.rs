//! The jobs in processes of their own, to be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// What a process of jobs is started with.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) jobs: Vec<&'static str>,
    pub(super) folder: PathBuf,
    /// An outside event log; none where the process has the embedded one in it.
    pub(super) brokers: Option<String>,
    pub(super) variables: Vec<(&'static str, String)>,
}

/// A process that runs jobs; killed when dropped.
pub(super) struct Jobs {
    child: Child,
    start: Start,
}

impl Start {
    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.jobs.join("-")))
    }

    pub(super) fn begin(self) -> anyhow::Result<Jobs> {
        let log = File::options().create(true).append(true).open(self.log()).with_context(|| format!("{}", self.log().display()))?;
        let mut command = Command::new(std::env::current_exe().context("where this program lies")?);
        command.args(["pipeline", "run"]).args(&self.jobs).args(["--log", "warn", "--data-dir"]).arg(&self.folder);
        command.current_dir(&self.folder).env_remove("RUST_LOG");
        if let Some(brokers) = &self.brokers {
            command.args(["--brokers", brokers]);
        }
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("start the jobs")?;
        Ok(Jobs { child, start: self })
    }
}

impl Jobs {
    /// The most memory it has had resident, in MiB.
    pub(super) fn peak_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    /// SIGKILL, and the same jobs again.
    pub(super) fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.alive()?;
        self.child.kill().context("kill the jobs")?;
        self.child.wait().context("wait for the jobs")?;
        let mut again = self.start.clone().begin()?;
        std::mem::swap(&mut self.child, &mut again.child);
        Ok(())
    }

    /// Fails when the process has ended by itself.
    pub(super) fn alive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait().context("look after the jobs")? {
            anyhow::bail!("{} ended by itself ({status}): {}", self.start.jobs.join(", "), tail(&self.start.log()));
        }
        Ok(())
    }

    /// SIGTERM: everything is saved.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().context("ask the jobs to end")?;
        let status = self.child.wait().context("wait for the jobs")?;
        anyhow::ensure!(status.success(), "{} did not end well ({status}): {}", self.start.jobs.join(", "), tail(&self.start.log()));
        Ok(())
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
