# Print the banner, and the tasks, as a list that begins at init_task.
printf "banner %s", linux_banner
set $at = init_task.tasks.next
while $at != &init_task.tasks
  set $task = (struct task_struct *)((char *)$at - (unsigned long)&((struct task_struct *)0)->tasks)
  printf "task %d %s\n", $task->pid, $task->comm
  set $at = $at->next
end
