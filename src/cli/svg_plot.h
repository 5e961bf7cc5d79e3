// SPDX-License-Identifier: Apache-2.0
//
// SvgPlots draws panels of lines, one beside the other, as an SVG file that needs nothing else.
#ifndef RAGTIME_CLI_SVG_PLOT_H_
#define RAGTIME_CLI_SVG_PLOT_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "ragtime/status.h"

namespace ragtime::cli {

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct PlotPanel {
  std::string title;
  std::string x_label;
  std::string y_label;  // The axis begins at 0.
  std::vector<PlotLine> lines;
};

std::string SvgPlots(const std::vector<PlotPanel>& panels);

// kInvalidArgument where the name does not end in .svg.
Status CheckPlotName(const std::filesystem::path& path);
Status WritePlots(const std::filesystem::path& path, const std::vector<PlotPanel>& panels);

}  // namespace ragtime::cli

#endif  // RAGTIME_CLI_SVG_PLOT_H_
