//! A program that runs an exported network once, and the command that builds it.

use super::header::{c_type, upper};
use super::interface::{Interface, Slot, Weights};
use super::names::DEFAULT;
use super::target::ExportTarget;

/// The name of the program's file: networks of several names can be in one folder.
pub(super) fn file(name: &str) -> String {
    if name == DEFAULT { "main.c".to_owned() } else { format!("{name}_main.c") }
}

/// The command that builds the program, in the folder of the files.
pub(super) fn build_line(interface: &Interface, target: ExportTarget) -> String {
    let (name, compiler) = (&interface.name, target.compiler());
    format!("{compiler} -std=c99 -O2 -Wall -Wextra {} {name}.o -o {name}", file(name))
}

/// The program: inputs from files of raw elements, or all zeros; outputs to files, or the largest
/// elements to the terminal.
pub(super) fn program(interface: &Interface, target: ExportTarget) -> String {
    let (name, upper) = (&interface.name, upper(&interface.name));
    let slots: Vec<&Slot> = interface.inputs.iter().chain(&interface.outputs).collect();
    let names: Vec<&str> = slots.iter().map(|slot| slot.parameter.as_str()).collect();
    let buffers: String = slots.iter().map(|slot| buffer(slot, interface)).collect();
    let reads = interface.inputs.iter().enumerate();
    let reads: String = reads.map(|(i, slot)| read(i + 1, slot, interface)).collect();
    let writes = interface.outputs.iter().zip(interface.inputs.len() + 1..);
    let writes: String = writes.map(|(slot, i)| write(i, slot, interface)).collect();
    let (weights, argument) = match interface.weights {
        Weights::Inside => (String::new(), ""),
        Weights::Beside => (load_weights(interface), ", weights"),
    };
    let is_read = !interface.inputs.is_empty() || interface.weights == Weights::Beside;
    let load = if is_read { LOAD } else { "" };
    let align = format!("{upper}_ALIGN");
    let [aligned, address] = [ALIGNED, ADDRESS].map(|text| text.replace("ALIGNMENT", &align));
    format!(
        "/* Runs the network once. Build it with\n *\n *     {build}\n *\n \
         * and run it: ./{name} [{usage}.raw]\n *\n \
         * Files hold elements and nothing else. Inputs that are not given are zeros. */\n\
         #include <stdio.h>\n#include <stdlib.h>\n\n#include \"{name}.h\"\n\n\
         {aligned}{buffers}\
         static unsigned char arena_memory[ALIGNED({upper}_ARENA_BYTES)];\n\n\
         {address}{load}{SAVE}{shows}\
         int main(int argc, char **argv) {{\n{weights}    \
         void *arena = address(arena_memory);\n{reads}    \
         int status = {name}_run({arguments}, arena{argument});\n    \
         if (status != {upper}_OK) {{\n        \
         fprintf(stderr, \"{name}_run: error %d\\n\", status);\n        return 1;\n    }}\n\
         {writes}    return 0;\n}}\n",
        build = build_line(interface, target),
        usage = names.join(".raw] ["),
        shows = shows(interface).join(""),
        arguments = names.join(", "),
    )
}

fn load_weights(interface: &Interface) -> String {
    let (name, upper) = (&interface.name, upper(&interface.name));
    format!(
        "    static unsigned char weight_memory[ALIGNED({upper}_WEIGHT_BYTES)];\n    \
         void *weights = address(weight_memory);\n    \
         load(\"{name}.weights\", weights, {upper}_WEIGHT_BYTES);\n"
    )
}

/// Reads an input from the file that an argument names.
fn read(argument: usize, slot: &Slot, interface: &Interface) -> String {
    let (p, m) = (&slot.parameter, slot.macro_name(interface));
    format!("    if (argc > {argument}) load(argv[{argument}], {p}, {m}_BYTES);\n")
}

/// Writes an output to the file that an argument names, or prints its largest elements.
fn write(argument: usize, slot: &Slot, interface: &Interface) -> String {
    let (p, m, ty) = (&slot.parameter, slot.macro_name(interface), c_type(slot.element));
    format!(
        "    if (argc > {argument}) save(argv[{argument}], {p}, {m}_BYTES);\n    \
         else show_{ty}(\"{p}\", {p}, {m}_COUNT);\n"
    )
}

fn buffer(slot: &Slot, interface: &Interface) -> String {
    let (p, m, ty) = (&slot.parameter, slot.macro_name(interface), c_type(slot.element));
    format!("static {ty} {p}[{m}_COUNT];\n")
}

const ALIGNED: &str = "\
/* How much memory has room for this many bytes at a multiple of ALIGNMENT. */
#define ALIGNED(bytes) ((bytes) + ALIGNMENT)

";

const ADDRESS: &str = "\
/* The first multiple of ALIGNMENT in such memory. */
static void *address(unsigned char *memory) {
    return memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
}

";

const LOAD: &str = "\
static void load(const char *path, void *to, size_t bytes) {
    FILE *file = fopen(path, \"rb\");
    if (file == NULL || fread(to, 1, bytes, file) != bytes || fgetc(file) != EOF) {
        fprintf(stderr, \"%s: it cannot be read, or does not have %lu bytes\\n\", path,
                (unsigned long)bytes);
        exit(1);
    }
    fclose(file);
}

";

const SAVE: &str = "\
static void save(const char *path, const void *from, size_t bytes) {
    FILE *file = fopen(path, \"wb\");
    if (file == NULL || fwrite(from, 1, bytes, file) != bytes || fclose(file) != 0) {
        fprintf(stderr, \"%s: it cannot be written\\n\", path);
        exit(1);
    }
}

";

/// A function for each type of outputs that prints the largest elements.
fn shows(interface: &Interface) -> Vec<String> {
    let mut types: Vec<&str> = interface.outputs.iter().map(|s| c_type(s.element)).collect();
    types.sort_unstable();
    types.dedup();
    let show = |ty: &str| {
        format!(
            "/* Prints the five largest elements. */\n\
             static void show_{ty}(const char *name, const {ty} *values, size_t count) {{\n    \
             size_t best[5];\n    size_t found = 0;\n    \
             for (size_t i = 0; i < count; i++) {{\n        \
             size_t at = found < 5 ? found : 5;\n        \
             while (at > 0 && values[best[at - 1]] < values[i]) at--;\n        \
             if (at == 5) continue;\n        \
             if (found < 5) found++;\n        \
             for (size_t k = found - 1; k > at; k--) best[k] = best[k - 1];\n        \
             best[at] = i;\n    }}\n    \
             for (size_t k = 0; k < found; k++) {{\n        \
             printf(\"%s[%lu] = %g\\n\", name, (unsigned long)best[k], (double)values[best[k]]);\n    }}\n}}\n\n"
        )
    };
    types.into_iter().map(show).collect()
}
