# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizer.bin (docs/formats/tokenizer.md): a vocabulary as a prebuilt trie, which is mapped and used as it is."""

import struct
import unicodedata

import numpy as np

MAGIC = b"RAGTOKEN"
VERSION = 1
KIND_UNIGRAM = 1
KIND_WORDPIECE = 2

SECTION_TRIE = 1
SECTION_SCORES = 2
SECTION_PAGES = 3
SECTION_CHARACTERS = 4
SECTION_REPLACEMENTS = 5
SECTION_CONTINUATION_TRIE = 6

HEADER_BYTES = 256
ALIGNMENT = 64
_SECTION_START = 96
_CHECKSUM_OFFSET = 24

_FIRST_SLOT = 256  # Base 0 means "no children": its 256 slots stay empty.
_SLOT_USED = 0x100
_CODE_POINTS = 0x110000
_PAGE = 256


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


class _Slots:
    """The free slots and unused bases of a double array from `start` on, as the bits of two integers.

    Slots that lie further back than the window are given up: in the XLM-RoBERTa trie that leaves few of them empty, and
    keeps the integers small.
    """

    _GROW = 1024
    _WINDOW = 2048

    def __init__(self):
        self.start = _FIRST_SLOT
        self.size = 0
        self.free = 0
        self.bases = 0
        self._grow()

    def _grow(self):
        bits = ((1 << self._GROW) - 1) << self.size
        self.free |= bits
        self.bases |= bits
        self.size += self._GROW
        if self.size > self._WINDOW:
            self.free >>= self._GROW
            self.bases >>= self._GROW
            self.start += self._GROW
            self.size -= self._GROW

    def place(self, labels):
        """Takes the lowest unused base whose slots base + label are all free."""
        while True:
            found = self.bases
            for label in labels:
                found &= self.free >> label
            if found:
                break
            self._grow()
        lowest = found & -found
        base = lowest.bit_length() - 1
        self.bases ^= lowest
        for label in labels:
            self.free ^= 1 << (base + label)
        return self.start + base


def build_trie(pieces):
    """pieces: {bytes: id}. Returns uint32 pairs (base << 9 | used << 8 | label, id + 1 or 0) by slot; slot 0 is the root."""
    root = {}
    for piece, number in pieces.items():
        node = root
        for byte in piece:
            node = node.setdefault(byte, {})
        node[-1] = number + 1
    slots = _Slots()
    units = {}
    last = 0
    pending = [(0, 0, root)]
    while pending:
        slot, label, node = pending.pop()
        labels = sorted(key for key in node if key >= 0)
        base = slots.place(labels) if labels else 0
        units[slot] = (base << 9 | (_SLOT_USED if slot else 0) | label, node.get(-1, 0))
        for child in reversed(labels):
            pending.append((base + child, child, node[child]))
        last = max(last, slot)
    table = np.zeros((last + 1 + 256, 2), "<u4")
    table[np.fromiter(units, np.int64)] = np.array(list(units.values()), np.uint32)
    return table


def build_character_map(replaced):
    """replaced: {code point: bytes}. Returns (page of each 256 code points, entries of the pages, replacement bytes).
    An entry is 0 for a character that stands for itself, else offset << 8 | size + 1 of its replacement."""
    entries = np.zeros(_CODE_POINTS, "<u4")
    replacements = bytearray()
    offsets = {}
    for code_point, text in sorted(replaced.items()):
        if text not in offsets:
            offsets[text] = len(replacements)
            replacements += text
        entries[code_point] = offsets[text] << 8 | len(text) + 1
    pages, page_of = np.unique(entries.reshape(-1, _PAGE), axis=0, return_inverse=True)
    return page_of.reshape(-1).astype("<u2"), pages.astype("<u4"), bytes(replacements)


def _character_sections(replaced):
    pages, entries, replacements = build_character_map(replaced)
    return [
        (SECTION_PAGES, pages.tobytes()),
        (SECTION_CHARACTERS, entries.tobytes()),
        (SECTION_REPLACEMENTS, replacements),
    ]


def write(path, kind, special, vocabulary_size, piece_bytes_max, unknown_score, sections):
    """special: (begin, end, padding, unknown); sections: [(number, bytes)]."""
    header = bytearray(HEADER_BYTES)
    body = bytearray()
    for i, (number, data) in enumerate(sections):
        offset = HEADER_BYTES + len(body)
        struct.pack_into("<IIQQ", header, _SECTION_START + 24 * i, number, 0, offset, len(data))
        body += data
        body += b"\0" * (-len(body) % ALIGNMENT)
    struct.pack_into("<8sIIQQ", header, 0, MAGIC, VERSION, kind, HEADER_BYTES + len(body), 0)
    struct.pack_into("<4iIIfI", header, 32, *special, vocabulary_size, piece_bytes_max, unknown_score, len(sections))
    struct.pack_into("<Q", header, _CHECKSUM_OFFSET, fnv1a(header))
    with open(path, "wb") as file:
        file.write(header)
        file.write(body)


def write_unigram(vocabulary, path):
    # The unknown piece is a marker: its spelling in a text is no match.
    pieces = {}
    for number, piece in enumerate(vocabulary.pieces):
        if piece and number != vocabulary.unk:
            pieces.setdefault(piece, number)
    replaced = {
        code_point: "".join(map(chr, replacement)).encode()
        for code_point, replacement in vocabulary.normalisation.items()
        if not 0xD800 <= code_point < 0xE000
    }
    scores = np.asarray(vocabulary.scores, "<f4")
    write(
        path,
        KIND_UNIGRAM,
        (vocabulary.bos, vocabulary.eos, vocabulary.pad, vocabulary.unk),
        len(vocabulary.pieces),
        max(map(len, vocabulary.pieces)),
        float(np.float32(scores.min()) - np.float32(10)),
        [
            (SECTION_TRIE, build_trie(pieces).tobytes()),
            (SECTION_SCORES, scores.tobytes()),
            *_character_sections(replaced),
        ],
    )


# The blocks whose characters BERT takes for words of their own.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),  # As the tokenizers package has it; the block starts at 0x2B820.
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def _is_white_space(character):
    return character in "\t\n\r" or unicodedata.category(character) in ("Zs", "Zl", "Zp")


def _is_control(character):
    return character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co")


def uncased_words(code_point):
    """What BERT's uncased normalisation and word splitting make of a character: words are separated by spaces."""
    character = chr(code_point)
    if _is_white_space(character):
        return " "
    if _is_control(character):
        return ""
    text = ""
    for part in unicodedata.normalize("NFD", character):
        if unicodedata.category(part) == "Mn":
            continue
        for lower in part.lower():
            punctuation = lower in _ASCII_PUNCTUATION or unicodedata.category(lower)[0] == "P"
            text += f" {lower} " if punctuation else lower
    if any(first <= code_point <= last for first, last in _IDEOGRAPHS):
        return f" {text} "
    return text


def write_wordpiece(pieces, special, path):
    """pieces: str by id; special: ids of begin, end, padding, unknown."""
    starts, continuations = {}, {}
    for number, piece in enumerate(pieces):
        if piece.startswith("##") and len(piece) > 2:
            continuations[piece[2:].encode()] = number
        else:
            starts[piece.encode()] = number
    replaced = {}
    for code_point in range(_CODE_POINTS):
        if not 0xD800 <= code_point < 0xE000:
            text = uncased_words(code_point)
            if text != chr(code_point):
                replaced[code_point] = text.encode()
    write(
        path,
        KIND_WORDPIECE,
        special,
        len(pieces),
        max(map(len, [*starts, *continuations])),
        0.0,
        [
            (SECTION_TRIE, build_trie(starts).tobytes()),
            (SECTION_CONTINUATION_TRIE, build_trie(continuations).tobytes()),
            *_character_sections(replaced),
        ],
    )
