// SPDX-License-Identifier: Apache-2.0
//
// Lucene for bench/keyword_search.py: builds or asks, and prints what it took as JSON:
//   java -cp JARS bench/keyword_lucene.java build CORPUS FOLDER
//   java -cp JARS bench/keyword_lucene.java ask QUESTIONS FOLDER ROUNDS SECONDS
// Words are cut at spaces only; the time of a question is the least of ROUNDS, of as many as SECONDS let.
import java.nio.file.*;
import java.util.*;
import org.apache.lucene.analysis.core.WhitespaceAnalyzer;
import org.apache.lucene.document.*;
import org.apache.lucene.index.*;
import org.apache.lucene.search.*;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.*;
import org.apache.lucene.util.Version;

class KeywordLucene {
  static double millisecondsSince(long started) {
    return (System.nanoTime() - started) / 1e6;
  }

  static String build(Path corpus, Path folder) throws Exception {
    long started = System.nanoTime();
    Directory directory = new MMapDirectory(folder);
    IndexWriterConfig config = new IndexWriterConfig(new WhitespaceAnalyzer());
    config.setRAMBufferSizeMB(512);
    FieldType type = new FieldType();
    type.setTokenized(true);
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS);
    type.freeze();
    try (IndexWriter writer = new IndexWriter(directory, config); var lines = Files.newBufferedReader(corpus)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Document document = new Document();
        document.add(new Field("words", line, type));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
    }
    double took = millisecondsSince(started);
    long bytes = 0;
    for (String name : directory.listAll()) bytes += directory.fileLength(name);
    return "\"build_ms\": " + took + ", \"bytes\": " + bytes;
  }

  static Query anyOf(String line) {
    BooleanQuery.Builder any = new BooleanQuery.Builder();
    for (String word : line.split(" ")) any.add(new TermQuery(new Term("words", word)), BooleanClause.Occur.SHOULD);
    return any.build();
  }

  // Not counting hits beyond those returned, so that it may leave out what cannot be among them.
  static TopDocs search(IndexSearcher searcher, Query question, int limit) throws Exception {
    return searcher.search(question, new TopScoreDocCollectorManager(limit, null, 1));
  }

  // The times of the questions that were asked in time, at least one, and what was found.
  static String measure(IndexSearcher searcher, List<Query> questions, int limit, int rounds, double seconds)
      throws Exception {
    List<Double> least = new ArrayList<>();
    List<String> hits = new ArrayList<>();
    long started = System.nanoTime();
    for (int round = 0; round < rounds; ++round) {
      int end = round == 0 ? questions.size() : least.size();
      for (int i = 0; i < end && (least.isEmpty() || millisecondsSince(started) < 1000 * seconds); ++i) {
        long asked = System.nanoTime();
        TopDocs found = search(searcher, questions.get(i), limit);
        double us = 1000 * millisecondsSince(asked);
        if (round == 0) {
          least.add(us);
          hits.add(Arrays.toString(Arrays.stream(found.scoreDocs).mapToInt(hit -> hit.doc).toArray()));
        } else {
          least.set(i, Math.min(least.get(i), us));
        }
      }
    }
    return ", \"us_" + limit + "\": " + least + ", \"hits_" + limit + "\": " + hits;
  }

  static String ask(Path source, Path folder, int rounds, double seconds) throws Exception {
    List<Query> questions = new ArrayList<>();
    for (String line : Files.readAllLines(source)) questions.add(anyOf(line));
    long started = System.nanoTime();
    IndexSearcher searcher = new IndexSearcher(DirectoryReader.open(new MMapDirectory(folder)));
    searcher.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    searcher.setQueryCache(null);
    double opened = millisecondsSince(started);
    search(searcher, questions.get(0), 10);
    String out = "\"open_ms\": " + opened + ", \"first_ms\": " + (millisecondsSince(started) - opened);
    for (int limit : new int[] {10, 100}) out += measure(searcher, questions, limit, rounds, seconds);
    return out;
  }

  public static void main(String[] arguments) throws Exception {
    Path source = Path.of(arguments[1]);
    Path folder = Path.of(arguments[2]);
    String result = arguments[0].equals("build")
        ? build(source, folder)
        : ask(source, folder, Integer.parseInt(arguments[3]), Double.parseDouble(arguments[4]));
    System.out.println("{\"version\": \"" + Version.LATEST + "\", " + result + "}");
  }
}
