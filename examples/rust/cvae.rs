//! cvae: sample, encode and score with a bundle, with ONNX Runtime's C API and Rust's standard library.
mod graph;
#[allow(warnings)]
mod ort; // bindgen makes it from onnxruntime_c_api.h
mod random;

use graph::{Graph, Input, Runtime};
use random::{normals, POSTERIOR, SAMPLES};
use std::{env, f64::consts::TAU, fs, path::Path, process};

const USAGE: &str =
    "expected sample BUNDLE SEED FIRST COUNT NAME, encode BUNDLE IMAGE NAME, or score BUNDLE IMAGE...; \
     then --label LABEL for a class";

/// A failure has an exit code, 1 for a failure, 2 for wrong usage, 5 for a bundle that cannot be used, and a message.
pub type Result<T> = std::result::Result<T, (i32, String)>;

pub fn fail<T>(code: i32, message: String) -> Result<T> {
    Err((code, message))
}

fn write_file(path: String, content: &[u8]) -> Result<()> {
    fs::write(&path, content).or_else(|_| fail(1, format!("{path}: cannot be written")))
}

fn write_floats(path: String, values: &[f32]) -> Result<()> {
    write_file(path, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

fn decode(runtime: &Runtime, bundle: &str, z: &[f32], count: usize) -> Result<Vec<f32>> {
    let decoder = runtime.open(bundle, "decoder")?;
    Ok(decoder.run(&[Input::floats("z", z, &[count, decoder.length])], &["probs"])?.remove(0))
}

/// Decodes latents. Writes NAME.z and NAME.probs, float32, and the images below each other to NAME.pgm or NAME.ppm.
fn write_decoded(runtime: &Runtime, bundle: &str, z: &[f32], model: &Graph, name: &str) -> Result<()> {
    let count = z.len() / model.length;
    let probs = decode(runtime, bundle, z, count)?;
    let [height, width, channels] = model.image;
    let (kind, suffix) = if channels == 1 { ("P5", "pgm") } else { ("P6", "ppm") };
    let mut picture = format!("{kind}\n{width} {}\n255\n", count * height).into_bytes();
    // Adding 2^23 rounds a float32 to a whole number, halves to even.
    picture.extend(probs.iter().map(|p| (255.0 * p + 8388608.0 - 8388608.0) as u8));
    write_floats(format!("{name}.z"), z)?;
    write_floats(format!("{name}.probs"), &probs)?;
    write_file(format!("{name}.{suffix}"), &picture)
}

fn read_image(path: &str, [height, width, channels]: [usize; 3]) -> Result<Vec<u8>> {
    let content = fs::read(path).or_else(|_| fail(1, format!("{path}: cannot be opened for reading")))?;
    let kind = if channels == 1 { "P5" } else { "P6" };
    let expected = [kind.to_string(), width.to_string(), height.to_string(), "255".to_string()];
    let wanted = format!("{kind} without comments, width {width}, height {height}, levels 0 to 255");
    let mut parts = content.splitn(5, u8::is_ascii_whitespace);
    let header = expected.iter().all(|part| parts.next() == Some(part.as_bytes()));
    match parts.next().and_then(|pixels| pixels.get(..height * width * channels)) {
        Some(pixels) if header => Ok(pixels.to_vec()),
        _ => fail(1, format!("{path}: expected {wanted}; convert it first")),
    }
}

fn whole(text: &str, least: u64, most: u64) -> Result<u64> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => fail(2, format!("expected a whole number from {least} to {most}, found '{text}'")),
    }
}

fn sample(runtime: &Runtime, bundle: &str, [seed, first, count, name]: [&str; 4]) -> Result<()> {
    let decoder = runtime.open(bundle, "decoder")?;
    let (seed, count) = (whole(seed, 0, u64::MAX)?, whole(count, 1, 100000)?);
    let end = POSTERIOR / ((decoder.length as u64 + 1) / 2); // of the stream
    let mut z = normals(seed, SAMPLES, whole(first, 0, end - count)?, count as usize, decoder.length);
    if decoder.has_learned_prior()? {
        // It maps noise to latents.
        let prior = runtime.open(bundle, "prior")?;
        z = prior.run(&[Input::floats("noise", &z, &[count as usize, prior.length])], &["z"])?.remove(0);
    }
    write_decoded(runtime, bundle, &z, &decoder, name)
}

/// Writes the posterior's logvar to NAME.logvar, and its mean and the reconstruction from it as samples are written.
fn encode(runtime: &Runtime, bundle: &str, [path, name]: [&str; 2]) -> Result<()> {
    let encoder = runtime.open(bundle, "encoder")?;
    let [height, width, channels] = encoder.image;
    let pixels = read_image(path, encoder.image)?;
    let codes = encoder.run(&[Input::pixels("images", &pixels, &[1, height, width, channels])], &["mean", "logvar"])?;
    write_floats(format!("{name}.logvar"), &codes[1])?;
    write_decoded(runtime, bundle, &codes[0], &encoder, name)
}

/// The ELBOs of a Bernoulli model, with one draw of z each.
fn bernoulli_elbo(runtime: &Runtime, bundle: &str, encoder: &Graph, pixels: &[u8], noise: &[f32]) -> Result<Vec<f32>> {
    let ([height, width, channels], length) = (encoder.image, encoder.length);
    let count = noise.len() / length;
    let images = Input::pixels("images", pixels, &[count, height, width, channels]);
    let codes = encoder.run(&[images], &["mean", "logvar"])?;
    let (mean, logvar) = (&codes[0], &codes[1]);
    let z: Vec<f32> = (0..noise.len()).map(|j| mean[j] + (logvar[j] / 2.0).exp() * noise[j]).collect();
    let probs = decode(runtime, bundle, &z, count)?;
    let mut log_p_z = None; // of a learned prior
    if encoder.has_learned_prior()? {
        let density = runtime.open(bundle, "prior_density")?;
        log_p_z = Some(density.run(&[Input::floats("z", &z, &[count, length])], &["log_prob"])?.remove(0));
    }
    let preprocessing = encoder.metadata("cvae.preprocessing")?;
    let threshold = preprocessing.split("\"binarize_at\": ").nth(1).unwrap_or_default().trim_end_matches('}');
    let threshold: Option<u8> = threshold.parse().ok(); // none: grey levels are the targets
    let log_p = |(&pixel, &p): (&u8, &f32)| {
        let p = f64::from(p).clamp(1e-7, 1.0 - 1e-7);
        let x = threshold.map_or(f64::from(pixel) / 255.0, |threshold| f64::from(u8::from(pixel >= threshold)));
        x * p.ln() + (1.0 - x) * (-p).ln_1p()
    };
    let kl = |(&m, &v): (&f32, &f32)| (f64::from(v).exp() + f64::from(m).powi(2) - 1.0 - f64::from(v)) / 2.0;
    let log_q = |(&v, &e): (&f32, &f32)| (TAU.ln() + f64::from(v) + f64::from(e).powi(2)) / -2.0;
    let size = height * width * channels;
    let elbo = |i: usize| {
        let (image, latent) = (i * size..(i + 1) * size, i * length..(i + 1) * length);
        let likelihood: f64 = pixels[image.clone()].iter().zip(&probs[image]).map(log_p).sum();
        let logvar = &logvar[latent.clone()];
        let divergence: f64 = match &log_p_z {
            Some(log_p_z) => logvar.iter().zip(&noise[latent]).map(log_q).sum::<f64>() - f64::from(log_p_z[i]),
            None => mean[latent].iter().zip(logvar).map(kl).sum(),
        };
        (likelihood - divergence) as f32
    };
    Ok((0..count).map(elbo).collect())
}

fn score(runtime: &Runtime, bundle: &str, paths: &[&str]) -> Result<()> {
    let has_scorer = Path::new(bundle).join("scorer.onnx").is_file();
    let graph = runtime.open(bundle, if has_scorer { "scorer" } else { "encoder" })?;
    if !has_scorer && graph.metadata("cvae.likelihood")? != "\"bernoulli\"" {
        let advice = "cvae-export --with scorer makes the graph";
        return fail(5, format!("{bundle}: expected scorer.onnx, or a Bernoulli model; {advice}"));
    }
    let ([height, width, channels], count) = (graph.image, paths.len());
    let pixels = paths.iter().map(|path| read_image(path, graph.image)).collect::<Result<Vec<_>>>()?.concat();
    let noise = normals(0, POSTERIOR, 0, count, graph.length);
    let elbo = if has_scorer {
        let noise = Input::floats("noise", &noise, &[1, count, graph.length]);
        graph.run(&[Input::pixels("images", &pixels, &[count, height, width, channels]), noise], &["elbo"])?.remove(0)
    } else {
        bernoulli_elbo(runtime, bundle, &graph, &pixels, &noise)?
    };
    paths.iter().zip(elbo).for_each(|(path, elbo)| println!("{path}: ELBO {elbo:.4} nats"));
    Ok(())
}

fn run(arguments: &[&str]) -> Result<()> {
    let (command, label) = match *arguments {
        [ref command @ .., "--label", label] => (command, Some(label)),
        _ => (arguments, None),
    };
    let runtime = || Runtime::new(label);
    match *command {
        ["sample", bundle, seed, first, count, name] => sample(&runtime()?, bundle, [seed, first, count, name]),
        ["encode", bundle, path, name] => encode(&runtime()?, bundle, [path, name]),
        ["score", bundle, ref paths @ ..] if !paths.is_empty() => score(&runtime()?, bundle, paths),
        _ => fail(2, USAGE.to_string()),
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Err((code, message)) = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        eprintln!("cvae: {message}");
        process::exit(code);
    }
}
