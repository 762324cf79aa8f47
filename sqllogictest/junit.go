package sqllogictest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The JUnit format: a suite per folder and mode, a case per file.
type (
	junitSuites struct {
		XMLName xml.Name      `xml:"testsuites"`
		Suites  []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`

		seconds float64
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
		Error   *junitFailure `xml:"error"`
		Output  string        `xml:"system-out"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// PrintJUnit writes the results as JUnit's XML. A file fails by its wrong
// answers and failures, or by what it lost against the ratchet where there is
// one.
func PrintJUnit(w io.Writer, results []*Result, ratchet *Ratchet) error {
	byName := map[string]*junitSuite{}
	var all junitSuites
	for _, r := range results {
		name := folderOf(r.File) + " " + r.Mode.String()
		s := byName[name]
		if s == nil {
			s = &junitSuite{Name: name}
			byName[name] = s
			all.Suites = append(all.Suites, s)
		}
		c := r.junit(ratchet)
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
		s.seconds += r.Time.Seconds()
		s.Time = fmt.Sprintf("%.3f", s.seconds)
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Result) junit(ratchet *Ratchet) junitCase {
	t := r.tally()
	c := junitCase{Class: folderOf(r.File) + "." + r.Mode.String(), Name: r.File, Time: fmt.Sprintf("%.3f", r.Time.Seconds())}
	var sums []string
	for k := statements; k < classes; k++ {
		for o := Right; o < outcomes; o++ {
			if n := t[k][o]; n > 0 {
				sums = append(sums, fmt.Sprintf("%s %s: %d", classNames[k], o, n))
			}
		}
	}
	c.Output = strings.Join(sums, "\n")
	if r.Err != nil {
		c.Error = &junitFailure{Message: r.Err.Error()}
	}
	bad := r.faults(ratchet)
	if len(bad) > 0 {
		var text strings.Builder
		for _, f := range bad {
			f.print(&text, r)
		}
		c.Failure = &junitFailure{Message: fmt.Sprintf("%d records", len(bad)), Text: text.String()}
	}
	return c
}
