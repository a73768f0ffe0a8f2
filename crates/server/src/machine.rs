//! How busy the machine is. Looked at when somebody asks, and at most once a second however many ask.

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use sysinfo::{Components, MINIMUM_CPU_UPDATE_INTERVAL, System};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// How long a look is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long the tool that knows the GPU may take.
const GPU_TIMEOUT: Duration = Duration::from_secs(1);

const GIB: f64 = (1_u64 << 30) as f64;

/// Parts of the names of sensors that sit at the processor.
const CPU_SENSORS: [&str; 4] = ["coretemp", "k10temp", "cpu", "tctl"];

/// The machine, as EDISON's web page shows it: numbers only, since the page formats each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Stats {
    /// Of all cores together.
    pub(crate) cpu_percent: f32,
    /// 0 where there is no GPU, or none that can be asked.
    pub(crate) gpu_percent: f32,
    /// In GiB, as the total.
    pub(crate) ram_used_gb: f64,
    pub(crate) ram_total_gb: f64,
    /// Of the processor, in degrees Celsius; 0 where no sensor tells.
    pub(crate) temp_c: f32,
}

/// Looks at the machine.
#[derive(Debug, Default)]
pub(crate) struct Machine(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Remembers how much the processor had worked at the last look.
    system: Option<System>,
    last: Option<(Instant, Stats)>,
    /// The tool is not there, so that nobody looks for it again.
    lacks_gpu: bool,
}

impl Machine {
    /// How busy it is. Whoever asks while somebody looks waits for that look. The first look takes a fraction of a second.
    ///
    /// # Cancel safety
    /// A look that is dropped is made again by whoever asks next.
    pub(crate) async fn stats(&self) -> Stats {
        let mut seen = self.0.lock().await;
        if let Some((at, stats)) = seen.last
            && at.elapsed() < FRESH
        {
            return stats;
        }
        let system = match seen.system.take() {
            Some(system) => system,
            None => {
                let mut system = System::new();
                system.refresh_cpu_usage();
                // How busy it is shows between two looks only.
                sleep(MINIMUM_CPU_UPDATE_INTERVAL).await;
                system
            }
        };
        // Files of the kernel, and those of some sensors take their time.
        let looked = tokio::task::spawn_blocking(move || look(system)).await;
        let gpu_percent = if seen.lacks_gpu { 0.0 } else { seen.gpu_percent().await };
        let Ok((system, stats)) = looked else { return Stats::default() };
        let stats = Stats { gpu_percent, ..stats };
        seen.system = Some(system);
        seen.last = Some((Instant::now(), stats));
        stats
    }
}

impl Seen {
    async fn gpu_percent(&mut self) -> f32 {
        let mut tool = Command::new("nvidia-smi");
        tool.args(["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]);
        tool.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        match timeout(GPU_TIMEOUT, tool.output()).await {
            Ok(Ok(output)) => first_number(&String::from_utf8_lossy(&output.stdout)),
            Ok(Err(_)) => {
                self.lacks_gpu = true;
                0.0
            }
            Err(_) => 0.0,
        }
    }
}

/// The first GPU's; 0 where the tool has something else to say.
fn first_number(output: &str) -> f32 {
    let number = output.lines().next().and_then(|line| line.trim().parse().ok());
    number.filter(|percent: &f32| percent.is_finite()).unwrap_or_default()
}

fn look(mut system: System) -> (System, Stats) {
    system.refresh_cpu_usage();
    system.refresh_memory();
    let components = Components::new_with_refreshed_list();
    let is_of_cpu = |label: &str| CPU_SENSORS.iter().any(|part| label.to_lowercase().contains(part));
    let warmth =
        components.iter().filter(|sensor| is_of_cpu(sensor.label())).filter_map(sysinfo::Component::temperature);
    let stats = Stats {
        cpu_percent: system.global_cpu_usage(),
        gpu_percent: 0.0,
        ram_used_gb: system.used_memory() as f64 / GIB,
        ram_total_gb: system.total_memory() as f64 / GIB,
        temp_c: warmth.filter(|degrees| degrees.is_finite()).fold(0.0, f32::max),
    };
    (system, stats)
}

#[cfg(test)]
mod tests {
    use super::{Machine, first_number};

    /// Method: the second look within a second would find other numbers on a machine that works.
    #[tokio::test]
    async fn a_look_shows_this_machine_and_is_good_for_a_while() {
        let machine = Machine::default();
        let stats = machine.stats().await;
        assert!(stats.ram_total_gb > 0.0 && stats.ram_used_gb > 0.0 && stats.ram_used_gb <= stats.ram_total_gb);
        assert!((0.0..=100.0).contains(&stats.cpu_percent) && stats.temp_c >= 0.0, "{stats:?}");
        assert_eq!(machine.stats().await, stats);
    }

    #[test]
    fn only_a_number_is_how_busy_a_gpu_is() {
        assert_eq!(["37\n12\n", "", "No devices were found\n", "nan"].map(first_number), [37.0, 0.0, 0.0, 0.0]);
    }
}
