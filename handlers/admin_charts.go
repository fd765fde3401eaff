package handlers

import (
	"cmp"
	"context"
	"slices"

	"spar/keymgr"
	"spar/mapper"
	"spar/templates"
	"spar/web/i18n"
)

const (
	chartDays = 30
	chartBars = 8
)

// LinkDays tells how many links there were, and what happened to them, on the last days: today is the last of them.
type LinkDays interface {
	LinkDays(ctx context.Context, days int) ([]mapper.LinkDay, error)
}

// linksPlot shows how the number of links went.
func linksPlot(ctx context.Context, days []mapper.LinkDay) templates.Plot {
	totals := make([]int64, len(days))
	rows := make([][]string, len(days))
	for i, d := range days {
		totals[i] = d.Total
		rows[len(days)-1-i] = []string{i18n.Date(ctx, d.Day), numeral(ctx, d.Total)}
	}
	first, last := days[0], days[len(days)-1]
	bottom, top := scaleAround(slices.Min(totals), slices.Max(totals))
	plot := newPlot(ctx, "links", days, bottom, top)
	plot.Spoken = i18n.T(ctx, "admin.chart.links_spoken", "from", i18n.Date(ctx, first.Day), "first", numeral(ctx, first.Total),
		"to", i18n.Date(ctx, last.Day), "last", numeral(ctx, last.Total))
	plot.Shapes = lineShapes(totals, bottom, top)
	plot.Numbers = templates.Numbers{
		Caption: plot.Title, Rows: rows,
		Columns: []string{i18n.T(ctx, "admin.column.day"), i18n.T(ctx, "admin.column.links")},
	}
	return plot
}

// changesPlot shows what was linked, changed and removed.
func changesPlot(ctx context.Context, days []mapper.LinkDay) templates.Plot {
	series := [][]int64{make([]int64, len(days)), make([]int64, len(days)), make([]int64, len(days))}
	rows := make([][]string, len(days))
	var sums [3]int64
	var most int64
	for i, d := range days {
		row := []string{i18n.Date(ctx, d.Day)}
		for s, value := range []int64{d.Linked, d.Updated, d.Unlinked} {
			series[s][i] = value
			sums[s] += value
			row = append(row, numeral(ctx, value))
		}
		most = max(most, d.Linked+d.Updated+d.Unlinked)
		rows[len(days)-1-i] = row
	}
	top := scaleTop(most)
	plot := newPlot(ctx, "changes", days, 0, top)
	plot.Spoken = i18n.T(ctx, "admin.chart.changes_spoken", "from", plot.From, "to", plot.To,
		"linked", numeral(ctx, sums[0]), "updated", numeral(ctx, sums[1]), "unlinked", numeral(ctx, sums[2]), "most", numeral(ctx, most))
	plot.Shapes = columnShapes(series, top)
	plot.Numbers = templates.Numbers{Caption: plot.Title, Rows: rows, Columns: []string{i18n.T(ctx, "admin.column.day")}}
	for s, key := range []string{"linked", "updated", "unlinked"} {
		label := i18n.T(ctx, "admin.column."+key)
		plot.Numbers.Columns = append(plot.Numbers.Columns, label)
		plot.Keys = append(plot.Keys, chartKey(ctx, s, label, sums[s]))
	}
	return plot
}

func newPlot(ctx context.Context, name string, days []mapper.LinkDay, bottom, top int64) templates.Plot {
	return templates.Plot{
		ID: "chart-" + name, Title: i18n.T(ctx, "admin.chart."+name, "days", i18n.Number(ctx, len(days))), Box: chartBox, Grid: chartGrid,
		Scale: []string{numeral(ctx, top), numeral(ctx, (top+bottom)/2), numeral(ctx, bottom)},
		From:  i18n.Date(ctx, days[0].Day), To: i18n.Date(ctx, days[len(days)-1].Day),
	}
}

func chartKey(ctx context.Context, s int, label string, sum int64) templates.ChartKey {
	return templates.ChartKey{Series: []string{series1, series2, series3}[s], Label: label, Value: numeral(ctx, sum)}
}

func numeral(ctx context.Context, n int64) string { return i18n.Number(ctx, int(n)) }

// callsBars shows who calls most, and what the calls came to.
func (a *Admin) callsBars(ctx context.Context, partners []keymgr.Partner, counts []keymgr.CallCount) templates.Bars {
	table := a.callsByPartner(ctx, partners, counts)
	bars := templates.Bars{ID: "chart-calls", Title: table.Caption, Box: barBox, Table: table}
	callers := callers(ctx, partners, counts)
	var all callSum
	var largest int64
	for _, c := range callers {
		all.answered += c.sum.answered
		all.rejected += c.sum.rejected
		all.refused += c.sum.refused
		largest = max(largest, c.sum.total())
	}
	for s, column := range []struct {
		key string
		sum int64
	}{{"answered", all.answered}, {"rejected", all.rejected}, {"refused", all.refused}} {
		bars.Keys = append(bars.Keys, chartKey(ctx, s, i18n.T(ctx, "admin.column."+column.key), column.sum))
	}
	slices.SortStableFunc(callers, func(x, y caller) int { return cmp.Compare(y.sum.total(), x.sum.total()) })
	bars.More = moreBars(ctx, len(callers))
	for _, c := range callers[:min(chartBars, len(callers))] {
		bars.Bars = append(bars.Bars, templates.Bar{
			Label: c.cell.Text, Href: c.cell.Href, Value: numeral(ctx, c.sum.total()),
			Shapes: barShapes([]int64{c.sum.answered, c.sum.rejected, c.sum.refused}, largest),
		})
	}
	return bars
}

// refusalsBars shows why most calls were not answered.
func (a *Admin) refusalsBars(ctx context.Context, counts []keymgr.CallCount) templates.Bars {
	table := a.refusalsByReason(ctx, counts)
	bars := templates.Bars{ID: "chart-refusals", Title: table.Caption, Hint: i18n.T(ctx, "admin.overview.refusals_hint"), Box: barBox, Table: table}
	reasons := sortedByCount(refusalSums(counts))
	bars.More = moreBars(ctx, len(reasons))
	for _, r := range reasons[:min(chartBars, len(reasons))] {
		bars.Bars = append(bars.Bars, templates.Bar{
			Label: outcomeText(ctx, r.Outcome), Value: numeral(ctx, r.Count), Shapes: barShapes([]int64{0, 0, r.Count}, reasons[0].Count),
		})
	}
	return bars
}

func moreBars(ctx context.Context, n int) string {
	if n <= chartBars {
		return ""
	}
	return i18n.T(ctx, "admin.chart.more", "count", n-chartBars, "number", i18n.Number(ctx, n-chartBars))
}
