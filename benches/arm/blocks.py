"""Executed blocks of A64 code, as instructions.c counts them: kinds of instructions, and the loops that take most."""

import collections
import itertools
import os
import re
import tempfile

from emulator import Problem, call

#: What an instruction is: the first pattern that matches its disassembly.
KINDS = {
    # Products of numbers narrower than f32: bfloat16, f16 or integers.
    "narrow": r"(bf(dot|mla|mmla|mopa|mlal)\w*|fml[as]l2?|[su]dot|[su]mmla|us(dot|mmla)|sudot|(us|su|[su])mop[as])\s"
    r"|fml[as]\s.*\.(8h|4h|h)\b|fmop[as]\s.*\.h\b",
    # Each is a multiply-add for every lane.
    "multiply-add": r"fn?ml[as]\s+[vz]\d+\.(4s|2s|s)\b|fn?m(ad|sb)\s+z\d+\.s\b",
    # Of SME: each is a multiply-add for every pair of lanes.
    "outer product": r"fmop[as]\s",
    "load": r"ld\w+\s",
    "store": r"st\w+\s",
    "prefetch": r"prf\w+\s",
    "branch": r"(b|bl|br|blr|ret|b\.\w+|cbn?z|tbn?z)(\s|$)",
    "vector": r"f\w+\s|.*\b[vz]\d+\.|\w+\s+[qdsh]\d+\b|(movi|while\w+|ptrue)\s|.*\bp\d+[./]|.*\bza\d*[.\[]",
    "other": "",
}
PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}
#: Backward branches further than this are not taken for loops.
LONGEST_LOOP = 4096


def read(path):
    """Lists of executions, address and words."""
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    if not lines or lines.pop() != "end":
        raise Problem(f"{path}: incomplete; was the program killed?")
    rows = (line.split() for line in lines)
    return [(int(row[0]), int(row[1], 16), tuple(int(word, 16) for word in row[2:])) for row in rows]


def disassembled(words):
    """The texts of instructions, by word; the targets of branches mean nothing."""
    words = sorted(set(words))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "code")
        with open(path, "wb") as file:
            file.write(b"".join(word.to_bytes(4, "little") for word in words))
        command = ["aarch64-linux-gnu-objdump", "-D", "-z", "-b", "binary", "-m", "aarch64", path]
        lines = call(command).splitlines()
    texts = [line.split("\t", 2)[2] for line in lines if re.match(r" *[0-9a-f]+:\t", line)]
    if len(texts) != len(words):
        raise Problem(f"aarch64-linux-gnu-objdump gave {len(texts)} lines for {len(words)} instructions")
    return {word: re.sub(r"\s*//.*", "", text).replace("\t", " ").strip() for word, text in zip(words, texts)}


def kind(text):
    return next(kind for kind, pattern in PATTERNS.items() if pattern.match(text + " "))


def difference(fewer, more):
    """How often each block was executed in `more` beyond `fewer`, by its words: code may be at another address."""
    counts = collections.Counter()
    for sign, blocks in ((-1, fewer), (1, more)):
        for executions, _, words in blocks:
            counts[words] += sign * executions
    return {words: count for words, count in counts.items() if count}


def tally(counts, ignored=None):
    """Executed instructions by kind, without the blocks for whose kinds `ignored` is true."""
    kinds = {word: kind(text) for word, text in disassembled(w for words in counts for w in words).items()}
    sums = collections.Counter()
    for words, count in counts.items():
        inside = collections.Counter(kinds[word] for word in words)
        if not (ignored and ignored(inside)):
            for name, number in inside.items():
                sums[name] += count * number
    return {name: sums[name] for name in KINDS}


def branch_offset(word):
    """How many bytes a direct branch goes; 0 for everything else."""
    for mask, value, shift, bits in (
        (0xFC000000, 0x14000000, 0, 26),  # b
        (0xFF000010, 0x54000000, 5, 19),  # b.cond
        (0x7E000000, 0x34000000, 5, 19),  # cbz, cbnz
        (0x7E000000, 0x36000000, 5, 14),  # tbz, tbnz
    ):
        if word & mask == value:
            field = word >> shift & (1 << bits) - 1
            return 4 * (field - (1 << bits) if field >> bits - 1 else field)
    return 0


def loops(fewer, more, number):
    """The innermost loops with the most instructions that were executed in `more` beyond `fewer`: pairs of how many
    these are and the text of the loop.

    Translated blocks may end anywhere, so loops are put together from the code at each address. QEMU places code at the
    same addresses in each process.
    """
    code, executions = {}, collections.Counter()
    for sign, blocks in ((-1, fewer), (1, more)):
        for count, address, words in blocks:
            for at, word in zip(itertools.count(address, 4), words):
                code[at] = word
                executions[at] += sign * count
    found = {}
    for end, word in code.items():
        start = end + branch_offset(word)
        inside = range(start, end, 4)
        if not 0 < end - start <= LONGEST_LOOP or not all(address in code for address in inside):
            continue
        # A loop inside would be executed more often than its outer loop.
        if max(executions[address] for address in inside) <= executions[end]:
            found[start, end] = sum(executions[address] for address in range(start, end + 4, 4))
    best = sorted(found, key=found.get, reverse=True)[:number]
    return [(found[ends], loop_text(code, *ends)) for ends in best]


def loop_text(code, start, end):
    """Assembly with the label `loop`, to which its last instruction branches; other branches go to the label `out`."""
    words = [code[address] for address in range(start, end + 4, 4)]
    texts = disassembled(words)
    targets = ["out"] * (len(words) - 1) + ["loop"]
    lines = (
        re.sub(r"0x[0-9a-f]+$", target, texts[word]) if branch_offset(word) else texts[word]
        for word, target in zip(words, targets)
    )
    return "\n".join(["loop:", *("\t" + line for line in lines), "out:", ""])
