# SPDX-License-Identifier: Apache-2.0
"""How good the answers of bench/generate.py are, by the scorer of Ragtime itself."""

import json
import statistics
import subprocess


def scores(program, answers, prompts):
    """(share of the answers' words that stand in their passages, share of the questions' words in the answers), in
    percent. `program` is bench/score_answers; `prompts` has the messages of each question, for answers that do not name
    their passages."""
    lines = []
    for answer in answers:
        passages = answer.get("passages") or prompts[answer["question"]][-1]["content"].rpartition("\n\n")[0]
        lines.append(json.dumps({"answer": answer["text"], "question": answer["question"], "passages": passages}))
    result = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=True)
    scored = [json.loads(line) for line in result.stdout.splitlines()]
    shares = [[score[name] for score in scored if score[name] is not None] for name in ("from_passages", "on_topic")]
    return [100 * statistics.mean(each) if each else 0 for each in shares]
