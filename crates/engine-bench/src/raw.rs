//! One lane beside a bare loop.

use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use crate::Load;
use crate::bare::Bare;
use crate::engine::{self, prompt, request};
use crate::table::{best, median, per_second};

/// Tokens of a step: ours, and llama.cpp's own.
const STEPS: [u32; 2] = [64, 512];

/// Prompt and answer in tokens per second, for one candidate.
#[derive(Default)]
struct Column {
    prompt: Vec<f64>,
    answer: Vec<f64>,
}

impl Column {
    fn print(&self, name: &str, ours: &Self) {
        println!("  {name}");
        for (what, own, theirs) in [("prompt", &ours.prompt, &self.prompt), ("answer", &ours.answer, &self.answer)] {
            let (typical, top) = (median(theirs), best(theirs));
            println!(
                "    {what} {typical:>10.1} t/s, at best {top:>10.1}; ours / it {:.3}, at best {:.3}",
                median(own) / typical,
                best(own) / top
            );
        }
    }
}

pub(crate) async fn run(load: &Load) -> Result<(), String> {
    // The engine first: it starts llama.cpp for the process, and this second handle only names it.
    let mut lanes = engine::lanes(load, |_| {}).await?;
    let lane = lanes.first_mut().ok_or("a model has a lane")?;
    // Not dropped, which would stop llama.cpp for the engine.
    let runtime = std::mem::ManuallyDrop::new(Runtime {});
    let params = LlamaModelParams::default().with_n_gpu_layers(0);
    let model = LlamaModel::load_from_file(&runtime, load.file.to_string_lossy().as_ref(), &params);
    let model = model.map_err(|error| error.to_string())?;
    let mut bare = Vec::new();
    for step in STEPS {
        bare.push((format!("bare loop, steps of {step}"), Bare::new(&model, &runtime, load, step)?, Column::default()));
    }
    let mut ours = Column::default();
    for round in 0..=load.rounds {
        let tokens = prompt(load.prompt, round);
        let took = engine::run(lane.as_mut(), request(tokens.clone(), load.answer, false)).await?;
        let n_answer = load.answer as usize;
        // The first round warms up.
        if round > 0 {
            ours.prompt.push(per_second(load.prompt, took.prompt));
            ours.answer.push(per_second(n_answer, took.answer));
        }
        for (_, bare, column) in &mut bare {
            let (prompt_time, answer_time) = bare.run(&tokens, load.answer)?;
            if round > 0 {
                column.prompt.push(per_second(load.prompt, prompt_time));
                column.answer.push(per_second(n_answer, answer_time));
            }
        }
    }
    println!("{}: {} threads, median of {} rounds", load.file.display(), load.threads, load.rounds);
    ours.print("ours", &ours);
    for (name, _, column) in &bare {
        column.print(name, &ours);
    }
    Ok(())
}
