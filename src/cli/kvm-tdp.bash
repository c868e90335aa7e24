# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of kvm-tdp(8). Commands and options are those that its --help has.

_kvm_tdp_commands() {
	"$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^ *\([a-z]\{1,\}\)  .*/\1/p'
}

_kvm_tdp_options() {
	"${@}" --help 2>/dev/null | sed -n 's/^ \{2,6\}\(-., \)\?\(--[a-z-]*\).*/\2/p'
}

# Names are taken, too.
_kvm_tdp_pids() {
	"$1" list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ && !seen[$1]++ { print $1; if (!seen[$3]++) print $3 }'
}

# _kvm_tdp_value PROGRAM OPTION WORD: false if the option takes no value that is
# known here.
_kvm_tdp_value() {
	case $2 in
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W "$(_kvm_tdp_pids "$1")" -- "$3") ;;
	--as-id) mapfile -t COMPREPLY < <(compgen -W "0 1" -- "$3") ;;
	-e | --event) mapfile -t COMPREPLY < <(compgen -W "invalidate fault entry slot" -- "$3") ;;
	--expect) mapfile -t COMPREPLY < <(compgen -W "same any" -- "$3") ;;
	-o | --options) mapfile -t COMPREPLY < <(compgen -W "allow_other" -- "$3") ;;
	-f | --file | --svg | --png) mapfile -t COMPREPLY < <(compgen -f -- "$3") ;;
	--exec) mapfile -t COMPREPLY < <(compgen -c -- "$3") ;;
	--vm | --gpa | --length | -i | --interval | -n | --max | --count | -d | --delay | --context) ;;
	*) return 1 ;;
	esac
}

# Where the command that attach runs begins, or nothing.
_kvm_tdp_attached() {
	local i
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) echo $((i + 1)); return ;;
		esac
	done
}

_kvm_tdp() {
	local program=$1 command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]} begin=''
	COMPREPLY=()

	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_kvm_tdp_commands "$program") help --help --usage --version" -- "$word")
		return
	fi
	# These take nothing.
	case "$command $before" in
	"prefault --exec" | "mount -f") before='' ;;
	esac
	# "--pid=1" is three words.
	if [ "$word" = = ]; then
		word=''
	elif [ "$before" = = ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	[ "$command" != attach ] || begin=$(_kvm_tdp_attached)
	if [ "$begin" = "$COMP_CWORD" ]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$word")
	elif [ -n "$begin" ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif _kvm_tdp_value "$program" "$before" "$word"; then
		:
	elif [ "$command" = dump ] && [[ $word != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif [ "$command" = mount ] && [[ $word != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_kvm_tdp_options "$program" "$command")" -- "$word")
	fi
}

complete -F _kvm_tdp kvm-tdp
