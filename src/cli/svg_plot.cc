// SPDX-License-Identifier: Apache-2.0
#include "cli/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "base/str_cat.h"

namespace ragtime::cli {
namespace {

constexpr double kWidth = 420;   // Of a panel, its labels included.
constexpr double kHeight = 300;  // Above the names of the lines.
constexpr double kNameHeight = 16;
constexpr double kMarkWidth = 28;  // Of a number below the axis.
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kTop = 36;
constexpr double kBottom = 48;
constexpr std::array<const char*, 6> kColours = {"#1f6fb2", "#d1495b", "#2a9d5c", "#8e5bb5", "#c98a1b", "#4d4d4d"};

std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::string Text(double x, double y, const char* anchor, const std::string& text, const char* more = "") {
  return StrCat("<text x=\"", Number(x), "\" y=\"", Number(y), "\" text-anchor=\"", anchor, "\"", more, ">",
                Escape(text), "</text>\n");
}

// 1, 2 or 5 times a power of ten, so that an axis up to `most` has about five marks.
double StepOf(double most) {
  const double rough = most / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (rough <= step * power) return step * power;
  }
  return 10 * power;
}

void DrawPanel(const PlotPanel& panel, double left, std::string& svg) {
  double x_least = HUGE_VAL;
  double x_most = -HUGE_VAL;
  double y_most = 0;
  std::vector<double> xs;
  for (const PlotLine& line : panel.lines) {
    for (const auto& [x, y] : line.points) {
      x_least = std::min(x_least, x);
      x_most = std::max(x_most, x);
      y_most = std::max(y_most, y);
      if (std::find(xs.begin(), xs.end(), x) == xs.end()) xs.push_back(x);
    }
  }
  if (xs.empty()) return;
  if (x_most == x_least) x_most = x_least + 1;
  if (y_most <= 0) y_most = 1;
  const double step = StepOf(y_most);
  y_most = std::ceil(y_most / step) * step;
  const auto at_x = [&](double x) {
    return left + kLeft + (x - x_least) / (x_most - x_least) * (kWidth - kLeft - kRight);
  };
  const auto at_y = [&](double y) { return kHeight - kBottom - y / y_most * (kHeight - kTop - kBottom); };
  svg += Text(left + kWidth / 2, 20, "middle", panel.title, " font-weight=\"bold\"");
  for (double y = 0; y <= y_most * 1.0001; y += step) {
    svg += StrCat("<line x1=\"", Number(at_x(x_least)), "\" x2=\"", Number(at_x(x_most)), "\" y1=\"", Number(at_y(y)),
                  "\" y2=\"", Number(at_y(y)), "\" stroke=\"#dddddd\"/>\n");
    svg += Text(left + kLeft - 6, at_y(y) + 4, "end", Number(y));
  }
  std::sort(xs.begin(), xs.end());
  double last = -HUGE_VAL;
  for (const double x : xs) {
    // What lies too near the one before is not written over it.
    if (at_x(x) < last + kMarkWidth) continue;
    last = at_x(x);
    svg += Text(last, kHeight - kBottom + 16, "middle", Number(x));
  }
  svg += Text(left + kWidth / 2, kHeight - 8, "middle", panel.x_label);
  const double middle = kHeight / 2;
  svg += Text(left + 14, middle, "middle", panel.y_label,
              StrCat(" transform=\"rotate(-90 ", Number(left + 14), " ", Number(middle), ")\"").c_str());
  for (size_t i = 0; i < panel.lines.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    std::string points;
    for (const auto& [x, y] : panel.lines[i].points) points += StrCat(Number(at_x(x)), ",", Number(at_y(y)), " ");
    svg += StrCat("<polyline fill=\"none\" stroke=\"", colour, "\" stroke-width=\"2\" points=\"", points, "\"/>\n");
    for (const auto& [x, y] : panel.lines[i].points) {
      svg += StrCat("<circle r=\"3\" fill=\"", colour, "\" cx=\"", Number(at_x(x)), "\" cy=\"", Number(at_y(y)),
                    "\"><title>", Escape(panel.lines[i].name), ": ", Number(x), ", ", Number(y), "</title></circle>\n");
    }
    svg += Text(left + kLeft, kHeight + kNameHeight * (static_cast<double>(i) + 0.75), "start", panel.lines[i].name,
                StrCat(" fill=\"", colour, "\"").c_str());
  }
}

}  // namespace

std::string SvgPlots(const std::vector<PlotPanel>& panels) {
  const double width = kWidth * static_cast<double>(panels.size());
  size_t names = 0;
  for (const PlotPanel& panel : panels) names = std::max(names, panel.lines.size());
  const double height = kHeight + kNameHeight * (static_cast<double>(names) + 0.5);
  std::string svg = StrCat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", Number(width), "\" height=\"",
                           Number(height), "\" font-family=\"sans-serif\" font-size=\"12\">\n",
                           "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
  for (size_t i = 0; i < panels.size(); ++i) DrawPanel(panels[i], kWidth * static_cast<double>(i), svg);
  return svg + "</svg>\n";
}

Status CheckPlotName(const std::filesystem::path& path) {
  if (path.extension() == ".svg") return Status();
  return InvalidArgumentError(StrCat("--plot writes SVG, and ", path.string(), " is named otherwise"),
                              "give a file that ends in .svg; a browser or rsvg-convert makes a PNG of it");
}

Status WritePlots(const std::filesystem::path& path, const std::vector<PlotPanel>& panels) {
  std::ofstream file(path);
  file << SvgPlots(panels);
  file.close();
  if (file) return Status();
  return UnavailableError(StrCat("the plot ", path.string(), " cannot be written"), "check the folder and its rights");
}

}  // namespace ragtime::cli
