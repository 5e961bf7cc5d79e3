// SPDX-License-Identifier: Apache-2.0
//
// Lucene for bench/keyword_search.py: java -cp JARS bench/keyword_lucene.java CORPUS QUERIES FOLDER ROUNDS builds,
// asks, and prints what it took as JSON. Words are cut at spaces only; the time of a question is the least of ROUNDS.
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
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[2]);
    long started = System.nanoTime();
    Directory directory = new MMapDirectory(folder);
    IndexWriterConfig config = new IndexWriterConfig(new WhitespaceAnalyzer());
    config.setRAMBufferSizeMB(512);
    FieldType type = new FieldType();
    type.setTokenized(true);
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS);
    type.freeze();
    try (IndexWriter writer = new IndexWriter(directory, config);
        var lines = Files.newBufferedReader(Path.of(arguments[0]))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Document document = new Document();
        document.add(new Field("words", line, type));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
    }
    StringBuilder out = new StringBuilder();
    out.append("{\"version\": \"").append(Version.LATEST).append("\", \"build_ms\": ");
    out.append((System.nanoTime() - started) / 1e6).append(", \"bytes\": ");
    long bytes = 0;
    for (String name : directory.listAll()) bytes += directory.fileLength(name);
    out.append(bytes);
    IndexSearcher searcher = new IndexSearcher(DirectoryReader.open(directory));
    searcher.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    searcher.setQueryCache(null);
    List<Query> questions = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(arguments[1]))) {
      BooleanQuery.Builder any = new BooleanQuery.Builder();
      for (String word : line.split(" ")) any.add(new TermQuery(new Term("words", word)), BooleanClause.Occur.SHOULD);
      questions.add(any.build());
    }
    for (int limit : new int[] {10, 100}) {
      double[] least = new double[questions.size()];
      Arrays.fill(least, Double.MAX_VALUE);
      TopDocs[] found = new TopDocs[questions.size()];
      for (int round = 0; round < Integer.parseInt(arguments[3]); ++round) {
        for (int i = 0; i < least.length; ++i) {
          long asked = System.nanoTime();
          // Not counting hits beyond those returned, so that it may leave out what cannot be among them.
          found[i] = searcher.search(questions.get(i), new TopScoreDocCollectorManager(limit, null, 1));
          least[i] = Math.min(least[i], (System.nanoTime() - asked) / 1e3);
        }
      }
      out.append(", \"us_" + limit + "\": ").append(Arrays.toString(least)).append(", \"hits_" + limit + "\": [");
      for (int i = 0; i < found.length; ++i) {
        int[] rows = Arrays.stream(found[i].scoreDocs).mapToInt(hit -> hit.doc).toArray();
        out.append(i == 0 ? "" : ", ").append(Arrays.toString(rows));
      }
      out.append("]");
    }
    System.out.println(out.append("}"));
  }
}
