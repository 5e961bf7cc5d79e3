#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: the answers of bench/generate.py are scored by the program that is built.

usage: bench/generate_scores_test.py SCORE_ANSWERS
"""

import sys
import unittest

from generate_scores import scores


class GenerateScoresTest(unittest.TestCase):
    def test_means_are_over_answers_that_have_words(self):
        prompts = {"How are lost cards replaced?": [{"content": "> Lost cards: five euros.\n\nQuestion: cards?"}]}
        answers = [
            {"question": "How are lost cards replaced?", "text": "A lost card costs five euros."},
            {"question": "Is it?", "text": "..."},
            {"question": "Harbour?", "text": "Bananas\nin the harbour", "passages": "> The harbour"},
        ]
        prompts["Is it?"] = prompts["How are lost cards replaced?"]
        supported, topical = scores(sys.argv[1], answers, prompts)
        self.assertAlmostEqual(supported, 100 * (4 / 5 + 1 / 2) / 2)  # "costs" and bananas stand nowhere.
        self.assertAlmostEqual(topical, 100 * (2 / 3 + 1) / 2)  # Nothing is said of replacing.
        self.assertEqual(scores(sys.argv[1], [], {}), [0, 0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
