package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

var shells = []string{"bash", "zsh", "fish"}

var completionVerb = verb{
	name:    "completion",
	args:    "bash|zsh|fish",
	maxArgs: 1,
	choices: shells,
	summary: "print a script that completes hawser's verbs and flags in a shell",
	help: `
For one session, or in the shell's startup file (bash and zsh in the same way):

  source <(hawser completion bash)

For good, for all users (the directories of Debian; other systems have others):

  hawser completion bash > /usr/share/bash-completion/completions/hawser
  hawser completion zsh > /usr/share/zsh/vendor-completions/_hawser
  hawser completion fish > /usr/share/fish/vendor_completions.d/hawser.fish

Exit code: 0, or 2 for a wrong command line.

Example:
  hawser completion fish | source`,
	setup: func(*flag.FlagSet) func([]string, streams) int {
		return func(args []string, std streams) int {
			if len(args) == 0 {
				return usageError(std, "completion", "the shell is missing: bash, zsh or fish")
			}
			switch args[0] {
			case "bash":
				completeBash(std.out)
			case "zsh":
				completeZsh(std.out)
			case "fish":
				completeFish(std.out)
			default:
				return usageError(std, "completion", "%.40q is none of bash, zsh, fish", args[0])
			}
			return exitOK
		}
	},
}

// completeBash prints the script for bash 3.2 and later, which needs no package of completions.
func completeBash(w io.Writer) {
	var names []string
	for _, v := range verbs {
		names = append(names, v.name)
	}
	fmt.Fprintf(w, `# Completion of hawser for bash.
_hawser() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local words= flags= valued= files= values= IFS=$' \t\n'
  COMPREPLY=()
  # --flag=value comes in three words.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W %s -- "$cur"))
    return
  fi
  case "${COMP_WORDS[*]:1:COMP_CWORD-1} " in
`, shellQuote(strings.Join(names, " ")))
	eachVerb(func(v verb) { bashCase(w, v) })
	fmt.Fprint(w, `  esac
  IFS=$'\n'
  case " $files " in *" $prev "*)
    compopt -o filenames 2>/dev/null # which bash 3.2 has not
    COMPREPLY=($(compgen -f -- "$cur"))
    return
  esac
  if [[ -n $values ]]; then
    IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
    return
  fi
  case " $valued " in *" $prev "*) return ;; esac
  IFS=$' \t\n'
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}
complete -F _hawser hawser
`)
}

// bashCase prints what there is to complete behind v.
func bashCase(w io.Writer, v verb) {
	var flags, valued, files, values []string
	for _, f := range append(v.flags(), helpFlag) {
		flags = append(flags, f.name)
		switch {
		case f.isFile():
			files = append(files, f.name)
		case f.choices() != nil:
			values = append(values, f.name+") values="+shellQuote(strings.Join(f.choices(), " "))+" ;;")
		case f.kind != "":
			valued = append(valued, f.name)
		}
	}
	words, _ := v.words()
	fmt.Fprintf(w, "  %s' '*)\n", shellQuote(v.name))
	for _, list := range []struct {
		name  string
		words []string
	}{{"words", words}, {"flags", flags}, {"valued", valued}, {"files", files}} {
		if len(list.words) > 0 {
			fmt.Fprintf(w, "    %s=%s\n", list.name, shellQuote(strings.Join(list.words, " ")))
		}
	}
	if len(values) > 0 {
		fmt.Fprintf(w, "    case $prev in\n      %s\n    esac\n", strings.Join(values, "\n      "))
	}
	fmt.Fprintln(w, "    ;;")
}

// helpFlag is what every verb takes.
var helpFlag = flagInfo{name: "--help", text: "show the flags"}

// shellQuote quotes s for a shell of Bourne's family.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// completeZsh prints the script for zsh: for a directory of its fpath, or to be sourced.
func completeZsh(w io.Writer) {
	fmt.Fprint(w, "#compdef hawser\n# Completion of hawser for zsh.\n_hawser() {\n  local curcontext=$curcontext verb\n"+
		"  local -a state line\n  typeset -A opt_args\n  if ((CURRENT == 2)); then\n    local -a verbs=(\n")
	for _, v := range verbs {
		fmt.Fprintf(w, "      %s\n", shellQuote(zshColon(v.name)+":"+v.summary))
	}
	fmt.Fprint(w, "    )\n    _describe -t verbs verb verbs\n    return\n  fi\n"+
		"  case \"${(j: :)words[2,CURRENT-1]} \" in\n")
	eachVerb(func(v verb) { zshCase(w, v) })
	fmt.Fprint(w, "  esac\n}\n"+
		"if [[ $funcstack[1] == _hawser ]]; then\n  _hawser \"$@\"\nelse\n  compdef _hawser hawser\nfi\n")
}

// zshCase prints what there is to complete behind v. _arguments gets the words from the verb on.
func zshCase(w io.Writer, v verb) {
	depth := len(strings.Fields(v.name))
	specs := []string{}
	for _, f := range append(v.flags(), helpFlag) {
		specs = append(specs, shellQuote(zshFlag(f)))
	}
	switch words, texts := v.words(); {
	case len(words) > 0:
		specs = append(specs, shellQuote("1:argument:(("+zshChoices(words, texts)+"))"))
	case v.maxArgs > 0: // a text for what is expected would keep zsh from completing flags there
		specs = append(specs, shellQuote("1:"+zshColon(strings.Trim(v.args, "[]"))+":( )"))
	}
	fmt.Fprintf(w, "  %s' '*)\n    shift %d words; ((CURRENT -= %[2]d))\n    _arguments -S \\\n      %s\n    ;;\n",
		shellQuote(v.name), depth, strings.Join(specs, " \\\n      "))
}

// zshChoices writes words with what each is for as _arguments takes them.
func zshChoices(words, texts []string) string {
	var all []string
	for i, word := range words {
		text := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "(", `\(`, ")", `\)`, ":", `\:`).Replace(texts[i])
		all = append(all, fmt.Sprintf(`%s\:"%s"`, word, text))
	}
	return strings.Join(all, " ")
}

// zshFlag writes a flag as _arguments takes it.
func zshFlag(f flagInfo) string {
	text := "[" + strings.NewReplacer(`\`, `\\`, "]", `\]`, ":", `\:`).Replace(f.summary()) + "]"
	switch {
	case f.kind == "":
		return "*" + f.name + text
	case f.isFile():
		return "*" + f.name + zshJoin(f) + text + ":" + f.kind + ":_files"
	}
	return "*" + f.name + zshJoin(f) + text + ":" + zshColon(f.kind) + ":" + zshValues(f)
}

// zshValues is what the value may be.
func zshValues(f flagInfo) string {
	if f.choices() == nil {
		return " "
	}
	return "(" + strings.Join(f.choices(), " ") + ")"
}

// zshJoin says how the value follows: behind = or as the next word.
func zshJoin(f flagInfo) string {
	if strings.HasPrefix(f.name, "--") {
		return "="
	}
	return ""
}

func zshColon(s string) string { return strings.ReplaceAll(s, ":", `\:`) }

// completeFish prints the script for fish 3 and later.
func completeFish(w io.Writer) {
	fmt.Fprint(w, `# Completion of hawser for fish.
function __hawser_at --description 'whether the words so far begin with these verbs'
    set -l words (commandline -opc)
    set -e words[1]
    set -l n (count $argv)
    test (count $words) -ge $n; and test "$words[1..$n]" = "$argv"
end
function __hawser_behind --description 'whether these verbs are all the words so far'
    set -l words (commandline -opc)
    set -e words[1]
    test "$words" = "$argv"
end
complete -c hawser -f
`)
	for _, v := range verbs {
		fmt.Fprintf(w, "complete -c hawser -n '__hawser_behind' -a %s -d %s\n", v.name, fishQuote(v.summary))
	}
	eachVerb(func(v verb) { fishLines(w, v) })
}

// fishLines prints what there is to complete behind v.
func fishLines(w io.Writer, v verb) {
	for _, f := range append(v.flags(), helpFlag) {
		option := "-l " + strings.TrimLeft(f.name, "-")
		if !strings.HasPrefix(f.name, "--") {
			option = "-s " + f.name[1:]
		}
		switch {
		case f.isFile():
			option += " -r -F"
		case f.choices() != nil:
			option += " -x -a " + fishQuote(strings.Join(f.choices(), " "))
		case f.kind != "":
			option += " -x"
		}
		fmt.Fprintf(w, "complete -c hawser -n '__hawser_at %s' %s -d %s\n", v.name, option, fishQuote(f.summary()))
	}
	words, texts := v.words()
	for i, word := range words {
		fmt.Fprintf(w, "complete -c hawser -n '__hawser_behind %s' -a %s -d %s\n", v.name, word, fishQuote(texts[i]))
	}
}

// fishQuote quotes s for fish.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
