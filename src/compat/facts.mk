# SPDX-License-Identifier: GPL-2.0-only
# For Kbuild files, with ktdp-src set to this tree's src/: $(obj)/facts.h, which
# says what this kernel has; every object of this directory is built after it. With
# ktdp-only these facts alone: what has to be true of all is asked, and said, once.
ktdp-first := $(patsubst %,$(ktdp-src)/compat/facts/%.c,compiler known sanity)
ktdp-facts := $(ktdp-first) \
	      $(filter-out $(ktdp-first),$(sort $(wildcard $(ktdp-src)/compat/facts/*.c)))
ifdef ktdp-only
ktdp-facts := $(patsubst %,$(ktdp-src)/compat/facts/%.c,$(ktdp-only))
endif

quiet_cmd_ktdp_facts = FACTS   $@
      cmd_ktdp_facts = $(CONFIG_SHELL) $(ktdp-src)/compat/facts.sh $@ $(ktdp-facts) -- \
		       $(CC) $(filter-out -Wp$(comma)-MMD%,$(c_flags)) -DMODULE \
		       $(addprefix -Werror=,implicit-function-declaration \
			 incompatible-pointer-types int-conversion)

$(obj)/facts.h: $(ktdp-src)/compat/facts.sh $(ktdp-src)/compat/check.h \
		$(ktdp-src)/compat/range.h $(ktdp-facts) FORCE
	$(call if_changed,ktdp_facts)

targets += facts.h
clean-files += facts.h
ccflags-y += -I$(obj) -I$(ktdp-src)
