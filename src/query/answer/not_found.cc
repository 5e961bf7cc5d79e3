// SPDX-License-Identifier: Apache-2.0
#include "query/answer/not_found.h"

#include <algorithm>
#include <vector>

#include "base/str_cat.h"

namespace ragtime {
namespace {

struct Wording {
  std::string_view language;
  std::string_view sentence;
  std::string_view nearest;  // Before the files.
  std::string_view comma;
  std::string_view end;
};

constexpr Wording kWordings[] = {
    {"en", "Not found in these documents.", " The nearest files are: ", ", ", "."},
    {"zh", "在这些文档中没有找到答案。", "最接近的文件：", "、", "。"},
    {"ja", "これらの文書には見つかりませんでした。", "最も近いファイル：", "、", "。"},
    {"ko", "이 문서들에서 찾지 못했습니다.", " 가장 가까운 파일: ", ", ", "."},
    {"de", "In diesen Dokumenten nicht gefunden.", " Am nächsten kommen: ", ", ", "."},
    {"fr", "Introuvable dans ces documents.", " Les fichiers les plus proches : ", ", ", "."},
    {"es", "No se encuentra en estos documentos.", " Los archivos más cercanos: ", ", ", "."},
    {"ru", "В этих документах не найдено.", " Ближайшие файлы: ", ", ", "."},
    {"ar", "لم يُعثر على إجابة في هذه المستندات.", " أقرب الملفات: ", "، ", "."},
};

}  // namespace

std::string NotFoundText(std::string_view language, std::span<const SearchHit> nearest) {
  const auto* wording = std::find_if(std::begin(kWordings), std::end(kWordings),
                                     [&](const Wording& w) { return w.language == language; });
  if (wording == std::end(kWordings)) wording = kWordings;
  std::vector<std::string_view> files;
  for (const SearchHit& hit : nearest) {
    if (files.size() == kNearestFilesMax) break;
    if (!hit.file.empty() && std::find(files.begin(), files.end(), hit.file) == files.end()) files.push_back(hit.file);
  }
  std::string text(wording->sentence);
  for (size_t i = 0; i < files.size(); ++i) text += StrCat(i == 0 ? wording->nearest : wording->comma, files[i]);
  return files.empty() ? text : StrCat(text, wording->end);
}

}  // namespace ragtime
