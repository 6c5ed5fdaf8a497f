//! Open and run graphs of a bundle in ONNX Runtime. Sessions live until the program ends.
use crate::ort::*;
use crate::{fail, Result};
use std::ffi::{c_void, CStr, CString};
use std::{marker::PhantomData, mem, path::Path, ptr, slice};

/// Calls a function of the C API. An error of ONNX Runtime becomes a failure.
macro_rules! call {
    ($api:expr, $function:ident($($argument:expr),*)) => {
        check($api, unsafe { $api.$function.unwrap()($($argument),*) })
    };
}

fn check(api: &OrtApi, status: OrtStatusPtr) -> Result<()> {
    if status.is_null() {
        return Ok(());
    }
    let message = unsafe { CStr::from_ptr(api.GetErrorMessage.unwrap()(status)) };
    fail(1, format!("ONNX Runtime: {}", message.to_string_lossy()))
}

fn text(value: &str) -> CString {
    CString::new(value).expect("arguments contain no zero bytes")
}

/// The value of the input label; none if the model has no labels. Without a name, it is the number of classes.
fn label_index(names: &str, label: Option<&str>) -> Result<Option<i64>> {
    let inside = names.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]")); // ["0", "1", …]
    match (inside.map(|inside| inside.split("\", \"")), label) {
        (None, None) => Ok(None),
        (None, Some(label)) => {
            fail(1, format!("--label: expected none, since the model has no labels; found '{label}'"))
        }
        (Some(all), None) => Ok(Some(all.count() as i64)),
        (Some(mut all), Some(label)) => match all.position(|name| name == in_json(label)) {
            Some(index) => Ok(Some(index as i64)),
            None => fail(1, format!("--label: expected one of {names}; found '{label}'")),
        },
    }
}

/// The characters of a name in JSON, as metadata has them.
fn in_json(name: &str) -> String {
    let spelled = |unit| match u8::try_from(unit).map(char::from) {
        Ok(quoted @ ('"' | '\\')) => format!("\\{quoted}"),
        Ok(plain @ ' '..='~') => plain.to_string(),
        _ => format!("\\u{unit:04x}"),
    };
    name.encode_utf16().map(spelled).collect()
}

pub struct Runtime {
    label: Option<String>, // name of a class
    api: &'static OrtApi,
    env: *mut OrtEnv,
    cpu: *mut OrtMemoryInfo,
}

pub struct Graph<'a> {
    runtime: &'a Runtime,
    session: *mut OrtSession,
    pub image: [usize; 3], // height, width, channels
    pub length: usize,     // of a latent
    label: Option<i64>,    // if the model has labels
}

/// A named input, which borrows its values.
pub struct Input<'a> {
    name: CString,
    shape: Vec<i64>,
    data: *mut c_void,
    bytes: usize,
    kind: ONNXTensorElementDataType,
    values: PhantomData<&'a ()>,
}

impl<'a> Input<'a> {
    pub fn floats(name: &str, values: &'a [f32], shape: &[usize]) -> Self {
        Self::new(name, values, shape, ONNXTensorElementDataType_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
    }

    pub fn pixels(name: &str, values: &'a [u8], shape: &[usize]) -> Self {
        Self::new(name, values, shape, ONNXTensorElementDataType_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8)
    }

    fn labels(values: &'a [i64]) -> Self {
        let kind = ONNXTensorElementDataType_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
        Self::new("label", values, &[values.len()], kind)
    }

    fn new<T>(name: &str, values: &'a [T], shape: &[usize], kind: ONNXTensorElementDataType) -> Self {
        let shape: Vec<_> = shape.iter().map(|&size| size as i64).collect();
        assert_eq!(shape.iter().product::<i64>(), values.len() as i64, "values of {name}");
        let data = values.as_ptr() as *mut c_void; // ONNX Runtime only reads it
        Self { name: text(name), shape, data, bytes: mem::size_of_val(values), kind, values: PhantomData }
    }
}

impl Runtime {
    pub fn new(label: Option<&str>) -> Result<Runtime> {
        if std::env::var_os("ORT_DISABLE_TELEMETRY").is_none() {
            std::env::set_var("ORT_DISABLE_TELEMETRY", "1"); // otherwise official builds send telemetry
        }
        let api = unsafe { (*OrtGetApiBase()).GetApi.unwrap()(ORT_API_VERSION).as_ref() };
        let old =
            || format!("expected ONNX Runtime with API {ORT_API_VERSION}, found an older one; install a newer library");
        let api = api.ok_or_else(|| (1, old()))?;
        let (mut env, mut cpu) = (ptr::null_mut(), ptr::null_mut());
        call!(api, CreateEnv(OrtLoggingLevel_ORT_LOGGING_LEVEL_ERROR, text("cvae").as_ptr(), &mut env))?;
        call!(api, CreateCpuMemoryInfo(OrtAllocatorType_OrtArenaAllocator, OrtMemType_OrtMemTypeDefault, &mut cpu))?;
        Ok(Runtime { label: label.map(str::to_string), api, env, cpu })
    }

    pub fn open(&self, bundle: &str, role: &str) -> Result<Graph<'_>> {
        let path = format!("{bundle}/{role}.onnx");
        if !Path::new(&path).is_file() {
            return fail(5, format!("{bundle}: expected a bundle, a folder with {role}.onnx; cvae-export makes one"));
        }
        let (mut options, mut session) = (ptr::null_mut(), ptr::null_mut());
        call!(self.api, CreateSessionOptions(&mut options))?;
        // By default, the content decides whether the file has another format than ONNX.
        let (key, value) = (text("session.load_model_format"), text("ONNX"));
        call!(self.api, AddSessionConfigEntry(options, key.as_ptr(), value.as_ptr()))?;
        let opened = call!(self.api, CreateSession(self.env, text(&path).as_ptr(), options, &mut session));
        unsafe { self.api.ReleaseSessionOptions.unwrap()(options) };
        if let Err((_, found)) = opened {
            return fail(5, format!("{path}: expected a graph that ONNX Runtime opens; export it again. {found}"));
        }
        let mut graph = Graph { runtime: self, session, image: [0; 3], length: 0, label: None };
        let format = graph.metadata("cvae.format")?;
        if format != "1" && format != "2" {
            let advice = "use the version of cvae-toolkit that wrote it, or export the bundle again";
            return fail(5, format!("{path}: expected format 1 or 2, found {format}; {advice}"));
        }
        let shape = graph.metadata("cvae.image_shape")?;
        for (size, number) in graph.image.iter_mut().zip(shape.trim_matches(&['[', ']'][..]).split(", ")) {
            *size = number.parse().unwrap_or(0);
        }
        graph.length = graph.metadata("cvae.latent_dim")?.parse().unwrap_or(0);
        graph.label = label_index(&graph.metadata("cvae.labels")?, self.label.as_deref())?;
        Ok(graph)
    }
}

impl Graph<'_> {
    /// A value of the graph's metadata, JSON. The metadata describes the model as the manifest does.
    pub fn metadata(&self, key: &str) -> Result<String> {
        let api = self.runtime.api;
        let (mut allocator, mut all, mut value) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        call!(api, GetAllocatorWithDefaultOptions(&mut allocator))?;
        call!(api, SessionGetModelMetadata(self.session, &mut all))?;
        call!(api, ModelMetadataLookupCustomMetadataMap(all, allocator, text(key).as_ptr(), &mut value))?;
        unsafe { api.ReleaseModelMetadata.unwrap()(all) };
        if value.is_null() {
            return Ok("none".to_string());
        }
        let found = unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned();
        call!(api, AllocatorFree(allocator, value.cast()))?;
        Ok(found)
    }

    /// If not, the prior is N(0, I).
    pub fn has_learned_prior(&self) -> Result<bool> {
        Ok(self.metadata("cvae.prior")? != "none")
    }

    /// Runs the graph and returns the named outputs, all of them float32. If the model has labels, feeds the label of
    /// each item, too. The first input has an item in each row.
    pub fn run(&self, inputs: &[Input], outputs: &[&str]) -> Result<Vec<Vec<f32>>> {
        let api = self.runtime.api;
        let labels = vec![self.label.unwrap_or(0); inputs[0].shape[0] as usize]; // of the items
        let label = self.label.map(|_| Input::labels(&labels));
        let inputs: Vec<_> = inputs.iter().chain(&label).collect();
        let mut fed = vec![ptr::null_mut(); inputs.len()];
        for (input, value) in inputs.iter().zip(&mut fed) {
            let Input { shape, data, bytes, kind, .. } = input;
            let (cpu, rank) = (self.runtime.cpu, shape.len() as _);
            call!(api, CreateTensorWithDataAsOrtValue(cpu, *data, *bytes as _, shape.as_ptr(), rank, *kind, value))?;
        }
        let input_names: Vec<_> = inputs.iter().map(|input| input.name.as_ptr()).collect();
        let names: Vec<_> = outputs.iter().map(|name| text(name)).collect();
        let output_names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let mut made = vec![ptr::null_mut(); outputs.len()];
        let (first, values) = (input_names.as_ptr(), fed.as_ptr() as *const *const OrtValue);
        let (named, results) = (output_names.as_ptr(), made.as_mut_ptr());
        let (session, options, count) = (self.session, ptr::null(), made.len() as _);
        call!(api, Run(session, options, first, values, fed.len() as _, named, count, results))?;
        let mut results = Vec::new();
        for value in made {
            let (mut info, mut count, mut data) = (ptr::null_mut(), 0, ptr::null_mut());
            call!(api, GetTensorTypeAndShape(value, &mut info))?;
            call!(api, GetTensorShapeElementCount(info, &mut count))?;
            call!(api, GetTensorMutableData(value, &mut data))?;
            results.push(unsafe { slice::from_raw_parts(data as *const f32, count as usize) }.to_vec());
            unsafe { api.ReleaseTensorTypeAndShapeInfo.unwrap()(info) };
            unsafe { api.ReleaseValue.unwrap()(value) };
        }
        fed.into_iter().for_each(|value| unsafe { api.ReleaseValue.unwrap()(value) });
        Ok(results)
    }
}
