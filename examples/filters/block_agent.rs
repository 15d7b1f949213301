// In Rust, without crates: refuses requests whose user agent contains a word.
//
//   rustc --edition 2021 --crate-type cdylib -O -o block_agent.so block_agent.rs
//
// What stands first is abi.h, as far as this filter needs it: every member in its place, those that
// are not used as bare pointers.

use std::ffi::c_void;
use std::mem::size_of;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicPtr, Ordering};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    data: *const u8,
    len: usize,
}

impl Str {
    fn of(text: &'static str) -> Str {
        Str { data: text.as_ptr(), len: text.len() }
    }

    // Borrowed as long as the host lends it: at most until the hook returns.
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 { &[] } else { std::slice::from_raw_parts(self.data, self.len) }
    }
}

#[repr(C)]
struct Config {
    size: u32,
    encoding: u32,
    instance: Str,
    scope: Str,
    type_url: Str,
    bytes: Str,
    parent: *const c_void,
}

#[repr(C)]
struct Reply {
    size: u32,
    kind: u32,
    status: u32,
    reserved: u32,
    message: Str,
    detail: Str,
    headers: *const c_void,
    header_count: usize,
    body: Str,
    release: *const c_void,
    release_arg: *const c_void,
}

type Unused = *const c_void;

#[repr(C)]
pub struct Host {
    size: u32,
    abi_major: u16,
    abi_minor: u16,
    log: Unused,
    log_enabled: Unused,
    now: Unused,
    metric_record: Unused,
    config_error: extern "C" fn(*mut c_void, Str, Str),
    resolve: [Unused; 3],
    header_get: extern "C" fn(*mut c_void, u32, Str, usize, *mut Str) -> i32,
    message: [Unused; 9],
    resume: Unused,
    reply: extern "C" fn(*mut c_void, *const Reply) -> i32,
    // Nothing further is used; the host's table may be longer than what a module knows of it.
}

#[repr(C)]
pub struct Filter {
    size: u32,
    reserved: u32,
    module_destroy: Unused,
    config_create:
        extern "C" fn(*mut c_void, *mut c_void, *const Config, *mut *mut c_void) -> i32,
    config_destroy: extern "C" fn(*mut c_void),
    worker: [Unused; 3],
    stream_create: extern "C" fn(*const c_void, *mut c_void, *mut c_void) -> *mut c_void,
    request_headers: extern "C" fn(*mut c_void, *mut c_void, u32) -> u32,
    // And so is the module's: members past its size are absent.
}

// The pointers in it are constants.
unsafe impl Sync for Filter {}

#[repr(C)]
pub struct Manifest {
    magic: u32,
    size: u32,
    abi_major: u16,
    abi_minor: u16,
    capabilities: u32,
    name: [u8; 64],
    version: [u8; 32],
}

const OK: i32 = 0;
const E_INVALID: i32 = -1;
const REQUEST_HEADERS: u32 = 0;
const REPLY_WAF_FILTERED: u32 = 27;
const DETACH: u32 = 2;
const FAIL: u32 = 3;

// ---- The filter. ----

static HOST: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());

fn host() -> &'static Host {
    unsafe { &*HOST.load(Ordering::Acquire) }
}

// {"contains":"WORD"}, compact as the gateway sends it, is all that this reads.
fn parse(json: &[u8]) -> Option<Vec<u8>> {
    let word = json.strip_prefix(br#"{"contains":""#)?.strip_suffix(br#""}"#)?;
    let plain = !word.is_empty() && !word.iter().any(|&c| c == b'"' || c == b'\\' || c < b' ');
    plain.then(|| word.to_ascii_lowercase())
}

extern "C" fn config_create(
    _module: *mut c_void,
    ctx: *mut c_void,
    config: *const Config,
    out: *mut *mut c_void,
) -> i32 {
    match parse(unsafe { (*config).bytes.bytes() }) {
        Some(word) => {
            unsafe { *out = Box::into_raw(Box::new(word)) as *mut c_void };
            OK
        }
        None => {
            (host().config_error)(ctx, Str::of("contains"), Str::of("write {\"contains\":\"WORD\"}"));
            E_INVALID
        }
    }
}

extern "C" fn config_destroy(config: *mut c_void) {
    drop(unsafe { Box::from_raw(config as *mut Vec<u8>) });
}

// Without state of its own, a stream's filter is its configuration.
extern "C" fn stream_create(config: *const c_void, _: *mut c_void, _: *mut c_void) -> *mut c_void {
    config as *mut c_void
}

fn refuses(word: &[u8], stream: *mut c_void) -> bool {
    let mut agent = Str::of("");
    let name = Str::of("user-agent");
    if (host().header_get)(stream, REQUEST_HEADERS, name, 0, &mut agent) != OK {
        return false;
    }
    let agent = unsafe { agent.bytes() }.to_ascii_lowercase();
    agent.windows(word.len()).any(|part| part == word)
}

// A panic must not unwind into the gateway: it is FAIL.
extern "C" fn request_headers(config: *mut c_void, stream: *mut c_void, _flags: u32) -> u32 {
    let word = unsafe { &*(config as *const Vec<u8>) };
    match catch_unwind(AssertUnwindSafe(|| refuses(word, stream))) {
        Ok(false) => DETACH,
        Ok(true) => {
            let reply = Reply {
                size: size_of::<Reply>() as u32,
                kind: REPLY_WAF_FILTERED,
                status: 0,
                reserved: 0,
                message: Str::of(""),
                detail: Str::of("block_agent:blocked"),
                headers: std::ptr::null(),
                header_count: 0,
                body: Str::of(""),
                release: std::ptr::null(),
                release_arg: std::ptr::null(),
            };
            if (host().reply)(stream, &reply) == OK { DETACH } else { FAIL }
        }
        Err(_) => FAIL,
    }
}

static FILTER: Filter = Filter {
    size: size_of::<Filter>() as u32,
    reserved: 0,
    module_destroy: std::ptr::null(),
    config_create,
    config_destroy,
    worker: [std::ptr::null(); 3],
    stream_create,
    request_headers,
};

const fn text<const N: usize>(from: &str) -> [u8; N] {
    let mut field = [0; N];
    let mut i = 0;
    while i < from.len() {
        field[i] = from.as_bytes()[i];
        i += 1;
    }
    field
}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static postern_module_manifest: Manifest = Manifest {
    magic: 0x4e545350,
    size: size_of::<Manifest>() as u32,
    abi_major: 1,
    abi_minor: 0,
    capabilities: 0,
    name: text("sample.block_agent"),
    version: text("1.0.0"),
};

#[no_mangle]
pub extern "C" fn postern_module_init(
    host: *const Host,
    _self: *mut c_void,
    _module: *mut *mut c_void,
    filter: *mut *const Filter,
) -> i32 {
    HOST.store(host as *mut Host, Ordering::Release);
    unsafe { *filter = &FILTER };
    OK
}
