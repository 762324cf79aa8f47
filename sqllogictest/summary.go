package sqllogictest

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"
)

// PrintSummary writes a table of outcomes by folder and mode, the reasons of
// what is not right, how long steps took and the slowest files.
func PrintSummary(w io.Writer, results []*Result) {
	printTable(w, results)
	printReasons(w, results)
	printTimings(w, results)
	printSlowest(w, results)
}

// row is a line of the table.
type row struct {
	folder string
	mode   Mode
}

func printTable(w io.Writer, results []*Result) {
	sums := map[row]*[classes]Tally{}
	var rows []row
	for _, r := range results {
		t := r.tally()
		for _, k := range []row{{folderOf(r.File), r.Mode}, {"~ all", r.Mode}} {
			if sums[k] == nil {
				sums[k] = &[classes]Tally{}
				rows = append(rows, k)
			}
			for c := range t {
				for o := range t[c] {
					sums[k][c][o] += t[c][o]
				}
			}
		}
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].mode != rows[j].mode {
			return rows[i].mode < rows[j].mode
		}
		return rows[i].folder < rows[j].folder
	})
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "mode\tfolder\tqueries\tright\t%\twrong\tfailed\trefused\ttainted\tskipped\tstatements right\tof\terrors right\tof\t")
	for _, k := range rows {
		t := sums[k]
		q, s, e := t[queries], t[statements], t[errorsOf]
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", k.mode, strings.TrimPrefix(k.folder, "~ "),
			q.Judged()+q[Skipped], q[Right], percent(q[Right], q.Judged()), q[Wrong], q[Failed], q[Refused], q[Tainted], q[Skipped],
			s[Right], s.Judged(), e[Right], e.Judged())
	}
	_ = out.Flush()
}

// folderOf is the first folder of a file.
func folderOf(file string) string {
	if folder, _, ok := strings.Cut(file, "/"); ok {
		return folder
	}
	return "."
}

func percent(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	// Rounded down: 100 is all.
	return fmt.Sprintf("%.2f", float64(part*10000/whole)/100)
}

// shownReasons is how many reasons of an outcome are printed.
const shownReasons = 15

// printReasons groups what is refused and what failed by what the server said.
func printReasons(w io.Writer, results []*Result) {
	for _, o := range []Outcome{Refused, Failed} {
		counts := map[string]int{}
		for _, r := range results {
			for _, f := range r.Findings {
				if f.Outcome == o {
					counts[f.Reason]++
				}
			}
		}
		reasons := make([]string, 0, len(counts))
		for reason := range counts {
			reasons = append(reasons, reason)
		}
		sort.Slice(reasons, func(i, j int) bool {
			a, b := reasons[i], reasons[j]
			return counts[a] > counts[b] || counts[a] == counts[b] && a < b
		})
		for i, reason := range reasons {
			if i == shownReasons {
				fmt.Fprintf(w, "%8d other reasons\n", len(reasons)-i)
				break
			}
			fmt.Fprintf(w, "%8d %s: %s\n", counts[reason], o, reason)
		}
	}
}

func printTimings(w io.Writer, results []*Result) {
	for kind, name := range timingNames {
		var sum Timing
		for _, r := range results {
			sum.merge(r.Timings[kind])
		}
		if sum.Count > 0 {
			fmt.Fprintf(w, "%8d %s: %s each, at most %s\n", sum.Count, name, (sum.Total / time.Duration(sum.Count)).Round(time.Microsecond), sum.Max.Round(time.Microsecond))
		}
	}
}

// shownFiles is how many of the slowest files are printed.
const shownFiles = 10

func printSlowest(w io.Writer, results []*Result) {
	slow := slices.Clone(results)
	sort.SliceStable(slow, func(i, j int) bool { return slow[i].Time > slow[j].Time })
	for i, r := range slow {
		if i == shownFiles || r.Time < time.Second {
			break
		}
		fmt.Fprintf(w, "%7.1fs %s (%s, passes %d)\n", r.Time.Seconds(), r.File, r.Mode, r.Passes)
	}
}

// PrintFindings writes each record of the given outcomes with what was expected
// and what came, at most limit of them; 0 is all.
func PrintFindings(w io.Writer, results []*Result, limit int, which ...Outcome) {
	n := 0
	for _, r := range results {
		if r.Err != nil {
			fmt.Fprintf(w, "%s (%s): %v\n\n", r.File, r.Mode, r.Err)
		}
		for _, f := range r.Findings {
			if !slices.Contains(which, f.Outcome) {
				continue
			}
			if n++; limit > 0 && n > limit {
				continue
			}
			f.print(w, r)
		}
	}
	if limit > 0 && n > limit {
		fmt.Fprintf(w, "... and %d more\n", n-limit)
	}
}

func (f *Finding) print(w io.Writer, r *Result) {
	fmt.Fprintf(w, "%s:%d (%s): %s: %s\n%s", r.File, f.Line, r.Mode, f.Outcome, f.Reason, indent(strings.Split(f.SQL, "\n"), "  "))
	if f.Outcome == Wrong {
		fmt.Fprintf(w, "%s%s", indent(f.Want, "  - "), indent(f.Got, "  + "))
	}
	fmt.Fprintln(w)
}

func indent(lines []string, prefix string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(prefix + line + "\n")
	}
	return b.String()
}
