#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# usage: abi.py python|c++
#
# Print structs, functions and constants as the package has them; or a program in C++ that
# prints the same of libkvm_tdp.h. Types are told by kind and size, for that is what calls
# go by.
import ctypes
import sys

from kvm_tdp import _abi

ENUMS = {
    _abi.Access: "ACCESS", _abi.Format: "FORMAT", _abi.Eager: "EAGER",
    _abi.SlotFlag: "SLOT", _abi.Backing: "BACKING",
}
CONSTANTS = {
    f"KVM_TDP_{prefix}_{name}": int(value)
    for enum, prefix in ENUMS.items() for name, value in enum.__members__.items()
}
for constant in ("VMS_MAX", "DMA_NOFAULT", "MEM_NOWAIT"):
    CONSTANTS[f"KVM_TDP_{constant}"] = getattr(_abi, constant)

NAMES = {cls: name for name, cls in _abi.STRUCTS.items()}


def kind(ctype):
    if ctype in NAMES:
        return NAMES[ctype]
    if ctype is ctypes.c_void_p:
        return "*void"
    if ctype is ctypes.c_char_p:
        return "*char"
    if ctype is ctypes.c_char:
        return "char"
    if issubclass(ctype, ctypes.Array):
        return f"{ctype._length_}x{kind(ctype._type_)}"
    if issubclass(ctype, ctypes._Pointer):
        return f"*{kind(ctype._type_)}"
    if hasattr(ctype, "_argtypes_"):
        return f"*({function(ctype._restype_, ctype._argtypes_)})"
    return f"{'s' if ctype(-1).value < 0 else 'u'}{ctypes.sizeof(ctype)}"


def function(restype, argtypes):
    return " ".join(map(kind, [restype, *argtypes]))


def members(cls):
    for name, ctype in cls._fields_:
        yield name.lstrip("_"), getattr(cls, name), ctype


def of_python():
    for name, cls in _abi.STRUCTS.items():
        # No padding, or a member would be missing.
        size = sum(ctypes.sizeof(ctype) for _, ctype in cls._fields_)
        print(f"struct {name} {ctypes.sizeof(cls)} {size}")
        for member, field, ctype in members(cls):
            print(f"{name} {member} {field.offset} {kind(ctype)}")
    for name, (restype, *argtypes) in _abi.PROTOTYPES.items():
        print(f"function {name} {function(restype, argtypes)}")
    for name, value in CONSTANTS.items():
        print(f"constant {name} {value}")


HEAD = """
#include <libkvm_tdp.h>
#include <cstdio>
#include <string>
#include <type_traits>

using std::string;
using std::to_string;

template<typename T> struct kind {
	static string name() {
		return (std::is_signed<T>::value ? "s" : "u") + to_string(sizeof(T));
	}
};
template<typename T> struct kind<const T> : kind<T> {};
template<> struct kind<void> { static string name() { return "void"; } };
template<> struct kind<char> { static string name() { return "char"; } };
template<typename T> struct kind<T *> {
	static string name() { return "*" + kind<T>::name(); }
};
template<typename T, size_t n> struct kind<T[n]> {
	static string name() { return to_string(n) + "x" + kind<T>::name(); }
};
template<typename R, typename... A> string function(R (*)(A...))
{
	string all[] = { kind<R>::name(), kind<A>::name()... }, text;
	for (const string &one : all)
		text += (text.empty() ? "" : " ") + one;
	return text;
}
template<typename R, typename... A> struct kind<R (*)(A...)> {
	static string name() { return "*(" + function((R (*)(A...))nullptr) + ")"; }
};
"""


def of_header():
    print(HEAD)
    for name in _abi.STRUCTS:
        print(f'template<> struct kind<{name}> {{ static string name() {{ return "{name}"; }} }};')
    print("int main()\n{")
    for name, cls in _abi.STRUCTS.items():
        print(f'printf("struct {name} %zu %zu\\n", sizeof({name}), sizeof({name}));')
        for member, _, _ in members(cls):
            print(f'printf("{name} {member} %zu %s\\n", offsetof({name}, {member}), '
                  f'kind<decltype({name}::{member})>::name().c_str());')
    for name in _abi.PROTOTYPES:
        print(f'printf("function {name} %s\\n", function((decltype(&{name}))nullptr).c_str());')
    for name in CONSTANTS:
        print(f'printf("constant {name} %d\\n", (int)({name}));')
    print("}")


{"python": of_python, "c++": of_header}[sys.argv[1]]()
