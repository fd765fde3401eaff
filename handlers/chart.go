package handlers

import (
	"math"
	"strconv"
	"strings"

	"spar/templates"
)

// Charts are drawn into a box of this size, which the page stretches. What is written beside them is text of the page, so
// that it can be read on a small screen and mirrored with its language.
const (
	chartWidth  = 300
	chartHeight = 100
	chartBox    = "0 0 300 100"
	chartGrid   = "M0 0H300M0 50H300M0 100H300"
	barBox      = "0 0 100 1"
	leastHeight = 0.75 // of what is not nothing, to be seen
)

// The series are told apart by colour and by their order, which is that of the legend.
const (
	series1 = "series-1"
	series2 = "series-2"
	series3 = "series-3"
)

// scaleAround is the lowest and the highest number of a scale around values far from nothing, so that it shows how they go.
func scaleAround(least, largest int64) (bottom, top int64) {
	for unit := int64(1); ; unit *= 10 {
		for _, n := range []int64{1, 2, 3, 5} {
			half := n * unit
			if bottom = least / half * half; bottom+2*half >= largest {
				return bottom, bottom + 2*half
			}
		}
	}
}

// scaleTop is the number at the top of a chart's scale: round, at least the largest value, and even.
func scaleTop(largest int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, n := range []int64{2, 4, 6, 10} {
			if n*unit >= largest {
				return n * unit
			}
		}
	}
}

// columns draws one column for each place, of the series on top of each other.
func columnShapes(series [][]int64, top int64) []templates.Shape {
	shapes := make([]templates.Shape, len(series))
	base := make([]float64, len(series[0]))
	for s, values := range series {
		var path strings.Builder
		slot := float64(chartWidth) / float64(len(values))
		for i, value := range values {
			if value == 0 {
				continue
			}
			height := max(chartHeight*float64(value)/float64(top), leastHeight)
			path.WriteString("M" + coordinate(slot*(float64(i)+.15)) + " " + coordinate(chartHeight-base[i]) +
				"h" + coordinate(slot*.7) + "v-" + coordinate(height) + "h-" + coordinate(slot*.7) + "z")
			base[i] += height
		}
		shapes[s] = templates.Shape{Series: []string{series1, series2, series3}[s], Path: path.String()}
	}
	return shapes
}

// lineShapes draws a line through the values.
func lineShapes(values []int64, bottom, top int64) []templates.Shape {
	var line strings.Builder
	step := float64(chartWidth) / float64(max(len(values)-1, 1))
	for i, value := range values {
		line.WriteString("ML"[min(i, 1):][:1] + coordinate(step*float64(i)) + " " + coordinate(chartHeight-chartHeight*float64(value-bottom)/float64(top-bottom)))
	}
	return []templates.Shape{{Series: "line", Path: line.String()}}
}

// barShapes draws a bar of parts one behind the other.
func barShapes(parts []int64, top int64) []templates.Shape {
	var shapes []templates.Shape
	at := 0.0
	for s, part := range parts {
		if part == 0 {
			continue
		}
		width := max(100*float64(part)/float64(top), leastHeight)
		shapes = append(shapes, templates.Shape{
			Series: []string{series1, series2, series3}[s],
			Path:   "M" + coordinate(at) + " 0h" + coordinate(width) + "v1h-" + coordinate(width) + "z",
		})
		at += width
	}
	return shapes
}

func coordinate(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }
